// akm-sim: a whole fleet in one process, many times over, each time from one seed (docs/testing.md).
#include "tools/akm-sim/campaign.h"

int main(int argc, char** argv) {
  const auto options = akm::sim::parse_options({argv, static_cast<std::size_t>(argc)});
  return options ? akm::sim::run_campaign(*options) : 64;
}
