#include "daemon/nmm/witness.h"

#include <criterion/criterion.h>

#include "daemon/protocol/cbor.h"

using namespace akm;
using namespace akm::nmm;

namespace {

Witness sample() {
  Witness out;
  out.hardware_value[0] = 7;
  out.machine.sources = {{"dmi-board-serial", {}}};
  out.machine.boot_id[3] = 1;
  out.machine.start = 9;
  out.peer = "192.0.2.7:7400";
  out.at_s = 12;
  out.what = "activate";
  return out;
}

}  // namespace

Test(witness, comes_back_from_cbor) {
  protocol::CborWriter writer;
  write_witness(writer, sample());
  const auto bytes = writer.take();
  protocol::CborReader reader(bytes);
  const Witness read = read_witness(reader);
  cr_assert(reader.finish().has_value());
  cr_assert(read.same_as(sample()));
  cr_assert_eq(read.at_s, 12U);
}

Test(witness, the_same_again_is_no_news) {
  Witness later = sample();
  later.at_s = 99;
  cr_assert(later.same_as(sample()));
  later.machine.start = 10;
  cr_assert(!later.same_as(sample()));
}

Test(witness, what_has_changed_is_named) {
  protocol::ActivateRequest body;
  body.machine.emplace();
  body.machine->sources = {{"dmi-board-serial", {}}};
  body.machine->sources[0].digest[0] = 1;
  body.machine->start = 10;
  const Witness other = witness_of(body, *parse_endpoint("192.0.2.8:7400"), "asks");
  cr_assert(other.peer == "192.0.2.8:7400" && other.what == "asks");
  cr_assert_eq(other.machine.start, 10U);
  cr_assert(changed_between(sample(), body) == "dmi-board-serial changed");
  cr_assert(changed_between(std::nullopt, body).empty());
  body.machine->sources = sample().machine.sources;
  cr_assert(changed_between(sample(), body).empty());
}
