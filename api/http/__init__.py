"""HTTP itself: connections, heads, bodies, answers.

address_limit: how many connections one address may have
answers: answers that several views give
asgi: Flask on the event loop
connection: one connection
exchange: one request that the application answers
forms: bodies that are no JSON
framing: from bytes to requests
heads: the head of a request
json_body: a body of JSON
long_texts: JSON that is mostly one long text, read around it
open_heads: heads that are not whole yet
patience: how long connections may take, how many there may be
plain_answers: outputs without an envelope
problems: from an error to an answer
request_body: the bytes of a body
secure_listener: connections that begin with TLS
turns: the requests of a connection, each in its turn
"""
