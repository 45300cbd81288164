"""Whether a request is as it must be.

fields: marshmallow fields that coerce nothing
quick_check: a fast yes to ordinary requests
schema: marshmallow schemas of the envelope
widths: limits on how wide and deep a request may be
"""
