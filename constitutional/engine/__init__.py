"""What runs: the loop, the streams of rows, the queue of each model, whole stages and the accounts."""
