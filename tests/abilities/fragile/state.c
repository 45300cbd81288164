/* A native library that loses its state: after so many calls, or when it is told to, each later call fails. */

static int calls_left = -1;
static int is_spoiled = 0;

void begin(int calls) { calls_left = calls; }

void spoil(void) { is_spoiled = 1; }

int compute(void) {
  if (calls_left == 0) is_spoiled = 1;
  if (calls_left > 0) calls_left--;
  return is_spoiled ? 700 : 0;
}
