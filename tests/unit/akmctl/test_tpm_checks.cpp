#include "tools/akmctl/tpm_checks.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

#include <array>

#include "daemon/base/cursor.h"
#include "tests/support/swtpm_fixture.h"
#include "tests/unit/akmctl/machine_root.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes answer(std::uint32_t code, const std::function<void(Writer&)>& body = {}) {
  std::array<std::uint8_t, 128> buffer{};
  Writer out(buffer);
  if (body) body(out);
  const Bytes inside(out.written().begin(), out.written().end());
  std::array<std::uint8_t, 10> head{};
  Writer before(head);
  before.u16(0x8001);
  before.u32(static_cast<std::uint32_t>(head.size() + inside.size()));
  before.u32(code);
  Bytes all(head.begin(), head.end());
  all.insert(all.end(), inside.begin(), inside.end());
  return all;
}

Bytes test_result(std::uint32_t result) {
  return answer(0, [&](Writer& out) {
    out.u16(0);
    out.u32(result);
  });
}

Bytes lockout(std::uint32_t permanent, std::uint32_t tries) {
  return answer(0, [&](Writer& out) {
    out.u8(0);
    out.u32(6);
    out.u32(4);
    for (const auto& [property, value] : std::map<std::uint32_t, std::uint32_t>{
             {0x200, permanent}, {0x20e, tries}, {0x20f, 32}, {0x210, 7200}}) {
      out.u32(property);
      out.u32(value);
    }
  });
}

/// A TPM that answers in this order, then hangs up.
Checks with_answers(const std::vector<Bytes>& answers) {
  MachineRoot root;
  root.machine.open_tpm = [&](const std::string&) -> Result<UniqueFd> {
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    for (const Bytes& one : answers)
      cr_assert_eq(write(ends[1], one.data(), one.size()), static_cast<ssize_t>(one.size()));
    cr_assert_eq(shutdown(ends[1], SHUT_WR), 0);
    static UniqueFd other;  // until the next
    other = UniqueFd(ends[1]);
    return UniqueFd(ends[0]);
  };
  return tpm_checks(root.machine);
}

}  // namespace

Test(tpm_checks, a_real_one) {
  if (!have_swtpm()) cr_skip_test("%s", kNoSwtpm);
  const SwTpm tpm;
  MachineRoot root;
  root.machine.open_tpm = Machine().open_tpm;
  root.write("/usr/sbin/akmd", "");
  root.write("/etc/akm/akmd.toml", "[sealing]\ntcti = \"" + tpm.tcti() + "\"\n");
  const Checks checks = tpm_checks(root.machine);
  cr_assert_eq(checks.size(), 3);
  for (const Check& one : checks) cr_expect(one.health == Health::good, "%s", one.says.c_str());
  cr_assert(named(checks, "lockout").says.starts_with("0 of "), "%s", named(checks, "lockout").says.c_str());
}

Test(tpm_checks, lockout_and_wrong_tries) {
  cr_assert(named(with_answers({test_result(0), lockout(0, 0)}), "lockout").health == Health::good);
  const Check tried = named(with_answers({test_result(0), lockout(0, 3)}), "lockout");
  cr_assert(tried.health == Health::warning && tried.remedy.contains("incident list"));
  const Check locked = named(with_answers({test_result(0), lockout(1U << 9, 32)}), "lockout");
  cr_assert(locked.health == Health::problem);
  cr_assert(locked.says.contains("32 of 32 wrong tries; one is forgotten in 7200 s"), "%s",
            locked.says.c_str());
  cr_assert(locked.remedy.contains("tpm2_dictionarylockout"));
}

Test(tpm_checks, its_self_test) {
  cr_assert(named(with_answers({test_result(0x101), lockout(0, 0)}), "health").says.contains("failure mode"));
  cr_assert(named(with_answers({answer(0x101), lockout(0, 0)}), "health").health == Health::problem);
  cr_assert(named(with_answers({}), "health").says.contains("no answer"));
}

Test(tpm_checks, answers_that_are_none) {
  const Bytes good = test_result(0);
  for (const Bytes& wrong : {Bytes{0x80}, Bytes(10, 0xff), Bytes(good.begin(), good.end() - 1), answer(0)})
    cr_expect(named(with_answers({wrong}), "health").health == Health::problem);
  const Check nothing = named(with_answers({good, answer(0x9a)}), "lockout");
  cr_assert(nothing.health == Health::warning && nothing.says.contains("0x9a"), "%s", nothing.says.c_str());
  cr_assert(named(with_answers({good, answer(0)}), "lockout").health == Health::warning);
}

Test(tpm_checks, where_it_cannot_be_asked) {
  MachineRoot root;
  const auto with = [&](Errc code) {
    root.machine.open_tpm = [code](const std::string& tcti) -> Result<UniqueFd> { return fail(code, tcti); };
    return tpm_checks(root.machine)[0];
  };
  cr_assert(with(Errc::not_found).health == Health::warning);
  cr_assert(with(Errc::not_found).says.contains("device:/dev/tpmrm0"));
  cr_assert(with(Errc::not_authorized).health == Health::notice);
  cr_assert(with(Errc::busy).health == Health::notice);
  cr_assert(with(Errc::not_supported).says.contains("could not be looked at"));
  cr_assert(with(Errc::io_failed).health == Health::problem);
  root.write("/usr/sbin/akmd", "");
  root.write("/etc/akm/akmd.toml", "[sealing]\nmode = \"software\"\n");
  cr_assert(with(Errc::not_found).health == Health::notice, "nobody wants one");
}
