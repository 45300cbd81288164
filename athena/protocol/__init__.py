"""The HTTP contract as data; pure.

checks: whether a request is as it must be
codings: compression and text encodings of inputs and outputs
enums: words of the contract
envelope: from a request's JSON to inputs, from outputs to an answer's JSON
golden: whether an answer is the right one
interface: what an ability accepts and answers
json_schema: the interface as JSON Schema
openapi: the interface as OpenAPI
outputs: bytes of one output, read back out of an answer
paths: the parts of URLs that name abilities
plain: inputs and outputs by their names, without an envelope
plain_schema: that as JSON Schema
references: inputs that a request names by URL
signature: what signs a request, and how it is read
signing_key: a secret, ready to sign
sniffing: kinds of pictures and sounds, by their first bytes
uploads: requests that come as files
"""
