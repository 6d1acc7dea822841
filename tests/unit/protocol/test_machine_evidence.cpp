#include "daemon/protocol/machine_evidence.h"

#include <criterion/criterion.h>

#include "daemon/protocol/cbor.h"

using namespace akm;
using namespace akm::protocol;

namespace {

using Texts = std::vector<std::string>;

SourceDigests of(std::vector<HardwareSource> sources) {
  return source_digests(sources);
}

const SourceDigests kBefore = of({{"dmi-product-uuid", "u"}, {"nic-permanent-mac", "m"}});

}  // namespace

Test(machine_evidence, each_change_is_named) {
  cr_assert(changed_sources(kBefore, kBefore).empty());
  cr_assert(changed_sources(kBefore, of({{"dmi-product-uuid", "u"}, {"nic-permanent-mac", "x"}})) ==
            Texts{"nic-permanent-mac changed"});
  cr_assert(changed_sources(kBefore, of({{"nic-permanent-mac", "m"}, {"root-disk-serial", "d"}})) ==
            (Texts{"dmi-product-uuid gone", "root-disk-serial new"}));
}

Test(machine_evidence, another_machine_has_nothing_in_common) {
  cr_assert(!is_another_machine(kBefore, kBefore));
  cr_assert(!is_another_machine(kBefore, of({{"dmi-product-uuid", "u"}})));
  cr_assert(is_another_machine(kBefore, of({{"dmi-product-uuid", "v"}, {"nic-permanent-mac", "n"}})));
  cr_assert(!is_another_machine({}, kBefore), "nothing is known of it");
}

/// A driver that is not loaded, or a machine that hides what it is.
Test(machine_evidence, sources_that_are_missing_are_what_the_policy_says) {
  const auto none = of({{"root-disk-serial", "d"}});
  cr_assert(!is_another_machine(kBefore, none));
  cr_assert(!is_another_machine(kBefore, {}));
  cr_assert(is_another_machine(kBefore, none, MissingSource::other));
  cr_assert(is_another_machine(kBefore, of({{"dmi-product-uuid", "v"}})),
            "one is missing and one is another");
  cr_assert(!is_another_machine(kBefore, of({{"dmi-product-uuid", "u"}}), MissingSource::other));
}

Test(machine_evidence, a_value_of_one_source_is_not_that_of_another) {
  const auto both = of({{"dmi-product-uuid", "same"}, {"nic-permanent-mac", "same"}});
  cr_assert(both[0].digest != both[1].digest);
}

Test(machine_evidence, comes_back_from_cbor) {
  CborWriter writer;
  write_sources(writer, kBefore);
  const auto bytes = writer.take();
  CborReader reader(bytes);
  cr_assert(read_sources(reader) == kBefore);
  cr_assert(reader.finish().has_value());
}
