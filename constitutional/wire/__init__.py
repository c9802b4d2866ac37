"""The wire: requests to servers, and a process of their own that carries them.

What a request takes on its way, aiohttp's work above all, is half of what a call costs a run, and the interpreter does one
thing at a time.  So, where there is more than one core, another process sends requests and receives answers (`courier`), by
the same code that would do it here (`calls`).  This package imports nothing else of ours, so that the process starts at once.
"""
