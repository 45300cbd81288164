"""What each process sets first.

certificate: what a gateway shows its callers, and its renewal
garbage: when Python looks for cycles
listening: the socket that a supervisor holds for its gateway
name_lookup: how long the C library looks for a host
open_files: how many files may be open
process_name: what operators find it by
service_manager: tells systemd how a service stands
"""
