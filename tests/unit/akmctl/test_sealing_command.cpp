#include <criterion/criterion.h>

#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

Test(akmctl_sealing, show) {
  NEED_ROOT();
  World world(With::node);
  const Outcome text = world.run({"node", "pcr", "show"});
  cr_assert_eq(text.exit_code, 0, "%s", text.err.c_str());
  cr_assert(
      text.out.contains("7    0101") && text.out.contains("further sets of values that it has signed: 3"),
      "%s", text.out.c_str());
  const auto json = world.run({"--json", "node", "pcr", "show"}).json();
  cr_assert_eq(json["pcrs"][0]["pcr"], 7);
  cr_assert_neq(json["pcrs"][0]["sealed"], json["pcrs"][0]["present"]);
  world.sealing.facts = {};
  cr_assert(world.run({"node", "pcr", "show"}).out.contains("sealed to no PCR"));
}

Test(akmctl_sealing, the_secret_comes_from_standard_input_and_not_from_the_arguments) {
  NEED_ROOT();
  World world(With::node);
  const Outcome done = world.run({"node", "reseal", "--recovery-file", "-"}, " correct horse battery \n");
  cr_assert_eq(done.exit_code, 0, "%s", done.err.c_str());
  const auto secret = world.sealing.secret.reveal();
  cr_assert_eq(std::string(secret.begin(), secret.end()), "correct horse battery");
  const Outcome other = world.run({"node", "recover", "--recovery-file", "-"}, "incorrect horse battery");
  cr_assert_eq(other.exit_code, 1);
  cr_assert(other.err.contains("another secret"), "%s", other.err.c_str());
  cr_assert(world.run({"node", "recover"}).err.contains("--recovery-file"));
}

Test(akmctl_sealing, what_is_to_be_signed_goes_to_a_file_and_the_signature_comes_from_one) {
  NEED_ROOT();
  World world(With::node);
  const std::string file = world.daemon.folder() + "/to-sign";
  const std::string set = "7=" + std::string(64, 'a');
  const Outcome ahead = world.run({"node", "pcr", "predict", "--set", set, "--out", file});
  cr_assert_eq(ahead.exit_code, 0, "%s", ahead.err.c_str());
  cr_assert_eq(whole_file(file), "\x02\x03");
  cr_assert_eq(world.sealing.asked.at(7).size(), 32);
  world.sealing.asked.clear();
  cr_assert_eq(world.run({"node", "pcr", "authorize", "--set", set, "--signature", file}).exit_code, 0);
  cr_assert_eq(world.sealing.signature.size(), 2);
  cr_assert_eq(world.sealing.asked.size(), 1);
  for (const std::string& bad :
       std::vector<std::string>{"7", "x=" + std::string(64, 'a'), "7=abc", "=" + std::string(64, 'a')}) {
    cr_assert_eq(world.run({"node", "pcr", "predict", "--set", bad, "--out", file}).exit_code, 2, "%s",
                 bad.c_str());
  }
  cr_assert_neq(world.run({"node", "pcr", "authorize", "--signature", "/nonexistent"}).exit_code, 0);
}
