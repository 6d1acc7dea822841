#include "tools/akmctl/asr_text.h"

#include <criterion/criterion.h>

#include <string>

#include "tests/support/fake_ports.h"
#include "tools/akmctl/table.h"

using namespace akm;
using namespace akm::ctl;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

void expect_has(const std::string& text, const std::string& part) {
  cr_expect(text.contains(part), "no '%s' in:\n%s", part.c_str(), text.c_str());
}

void expect_narrow(const std::string& text) {
  std::size_t from = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos;
       from = end + 1, end = text.find('\n', from))
    cr_expect(columns(std::string_view(text).substr(from, end - from)) <= 80, "%s",
              text.substr(from, end - from).c_str());
}

/// As an NMM has it in the middle of a rollout, with names and values as long as they usually are.
AsrSnapshot rollout() {
  AsrSnapshot asr = test::sample_asr(1, "production-line-north");
  asr.roster_hash = std::string(64, 'f');
  asr.suite = "hkdf-sha256-chacha20poly1305";
  asr.phase = "installing (4095 of 4096)";
  asr.chain.clear();
  asr.target = 0;
  asr.waits_for = "answers to install and switch";
  asr.members.clear();
  for (std::uint16_t i = 4090; i < 4096; ++i) {
    asr.members.push_back({i,
                           i,
                           "press-" + std::to_string(i) + "-south",
                           {"[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"},
                           "quarantined",
                           1234,
                           123'456,
                           880 * kSecond,
                           988 * kSecond,
                           1235,
                           "install sent 12 times, refused-by-policy",
                           996 * kSecond});
    asr.stragglers.push_back({i, asr.members.back().name, asr.members.back().waits_for, 1});
  }
  return asr;
}

}  // namespace

Test(asr_text, a_nodes_view_says_since_when_and_for_whom_it_waits) {
  const std::string text = asr_text(test::sample_asr(1, "alpha"), false);
  expect_has(text, "Generation:    3; 4 is installed\n");
  expect_has(text, "Epoch:         17, for 2 min\n");
  expect_has(text, "Phase:         established on the fallback chain, to epoch 18, for 4 s\n");
  expect_has(text, "Waits for:     SEI of the stragglers, 6 s more at most\n");
  expect_has(text, "Stragglers:    B, C\n");
  expect_has(text,
             "Members:\n"
             "  INDEX  NODE  STATE   GEN  EPOCH  SINCE  HEARD\n"
             "  0      A     heard   3    17     2 min  12 s\n"
             "  1      B     silent  3    16     8 min  -\n");
  expect_has(text,
             "Waiting:\n"
             "  NODE  FOR   WAITS FOR\n"
             "  B     4 s   its SEI\n"
             "  C     60 s  retire sent, not confirmed\n");
  expect_has(text, "  COUNTER        VALUE\n  data_received  5\n  data_sent      7\n");
  expect_has(text,
             "Exported keys:\n"
             "  KEY OF  CONTEXT  TYPE   SERIAL  GEN  EPOCH  USERS\n"
             "  backup  00ff     logon  815     3    17     0, 1000\n"
             "  vpn     -        user   816     3    17     7\n");
  expect_narrow(text);
}

Test(asr_text, an_nmms_view_shows_what_was_sent_and_fits_a_terminal) {
  const std::string text = asr_text(rollout(), true);
  expect_has(text, "Generation:    3; 4 is installed, for 2 min\n");
  expect_has(text, "GEN   EPOCH   SINCE  HEARD  SENT\n");
  expect_has(text, "1234  123456  2 min  12 s   1235\n");
  expect_has(text, "  press-4090-south  4 s   install sent 12 times, refused-by-policy\n");
  expect_has(text, " more\n");
  expect_narrow(text);
}

Test(asr_text, what_is_not_known_or_not_awaited_is_not_invented) {
  AsrSnapshot asr;
  asr.label = "x";
  asr.phase = "SE";
  asr.chain = "normal";
  asr.members = {{0, 1, "A", {"192.0.2.1:1", "192.0.2.2:1"}, "silent", 0, 0, 0, 0, 0, "", 0}};
  const std::string text = asr_text(asr, false);
  expect_has(text, "Epoch:         0\nPhase:         SE\nOwn index:     0\n");
  expect_has(text, "  0      A     silent  -    -      -      -\n");
  expect_has(text, "  0      0000000000000001  192.0.2.1:1\n                           192.0.2.2:1\n");
  cr_expect_not(text.contains("Waiting"));
  cr_expect_not(text.contains("Stragglers"));
  cr_expect_not(text.contains("Exported"));
}
