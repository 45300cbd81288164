"""What authors of wrappers type.

check: whether a wrapper keeps its contract
create: writes a new ability
example: prints the example of an ability as a request
install: the packages that abilities ask for
pack: an ability as an archive
run: runs a wrapper once, without a server
schema: the interface as a document
unlisted: imports that requirements.txt does not name
"""
