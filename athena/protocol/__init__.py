"""The HTTP contract as data; pure.

codings: compression and text encodings of inputs and outputs
enums: words of the contract
envelope: from a request's JSON to inputs, from outputs to an answer's JSON
fields: marshmallow fields that coerce nothing
golden: whether an answer is the right one
interface: what an ability accepts and answers
json_schema: the interface as JSON Schema
openapi: the interface as OpenAPI
outputs: bytes of one output, read back out of an answer
paths: the parts of URLs that name abilities
plain: inputs and outputs by their names, without an envelope
plain_schema: that as JSON Schema
quick_check: a fast yes to ordinary requests
references: inputs that a request names by URL
schema: marshmallow schemas of the envelope
signature: what signs a request, and how it is read
signing_key: a secret, ready to sign
sniffing: kinds of pictures and sounds, by their first bytes
uploads: requests that come as files
widths: limits on how wide and deep a request may be
"""
