"""Where the wrapper is called.

arguments: what a job hands to the wrapper
async_results: results that come by callback
batch_trust: whether batches can be relied on
binding: calls methods as their signatures want
dispatcher: one call, and its outputs or its error
event_loops: asyncio for wrappers
golden: the right answer to the example
inference: one outcome for each job
loader: finds the wrapper and what it declares
once_call: one way for wrappers of all generations
places: where in an ability's source something went wrong
process: the process that all calls of a wrapper share
recheck: jobs queued under another interface
resources: personalised resources
retry_policy: which failures are tried again, and when
sessions: ONNX sessions that anything in a worker opens
streams: sessions
symptoms: errors that are known to stay
"""
