"""Human spot checks: blind samples of labels for people to judge, and how far judge and people agree."""
