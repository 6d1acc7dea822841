// akm-bench: what AKM costs beside its limit, in one run (docs/performance.md). Prints ratios of medians;
// asserts nothing.
#include "tools/akm-bench/cases.h"

int main() {
  using namespace akm::bench;
  key_step();
  frame(128);
  frame(1100);
  engine_step();
  rekey(5, false);
  rekey(5, true);
  return 0;
}
