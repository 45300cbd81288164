"""One call at one client: its system calls, and who wakes whom on its way.

hand_overs: makes calls of two builds, and keeps one of each
kept: a call as it is kept in docs/benchmarks/hand_overs
single_client: one client over one connection
strace: attaches strace to the processes of a stack
system_calls: counts them
timeline: draws calls
trace_lines: what strace writes, line by line
wakes: who is awake when, and who has woken whom
"""
