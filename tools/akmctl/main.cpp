// akmctl: the command line of AKM, over D-Bus. It can do nothing that another caller on the bus could not.
#include "tools/akmctl/commands.h"

int main(int argc, char** argv) {
  return akm::ctl::run(argc, argv);
}
