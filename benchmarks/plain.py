"""What the plain form costs: `make bench-plain`.

One stack is measured in rounds, each with the envelope and the plain form in an order that is drawn anew:
the same text to the ability that does nothing, and back. What counts is the ratio of processor time in a
round, of all parts together; the plain form may cost at most 1.05 times the envelope.
"""

import json

from benchmarks.harness import cpu_us_per_request, run_wrk, served
from benchmarks.noop import request_body
from benchmarks.variants import read_options, report, run_rounds


def bodies() -> dict[str, bytes]:
    """Returns the same request in both forms."""
    envelope = request_body()
    text = json.loads(envelope)["payload"]["text"]["text"]
    return {"envelope": envelope, "plain": json.dumps({"text": "x" * (len(text) * 3 // 4)}).encode()}


def main() -> None:
    """Measures and prints a table, or JSON."""
    options = read_options(__doc__)
    forms = bodies()
    with served("echo") as athena:

        def measure_one(form: str) -> dict[str, float]:
            before = athena.cpu_s()
            result = run_wrk(f"{athena.url}/echo", forms[form], options.clients, options.seconds)
            cpu_us = cpu_us_per_request(before, athena.cpu_s(), result.requests)
            return {"rate": result.rate, "p99_ms": result.p99_ms, "cpu_us": sum(cpu_us.values()), **cpu_us}

        rounds = run_rounds([*forms], measure_one, options.rounds)
    print(report([*forms], rounds, options))


if __name__ == "__main__":
    main()
