#include "dbus/snapshot_reader.h"

#include <criterion/criterion.h>

#include "dbus/limits.h"
#include "dbus/property.h"
#include "tests/unit/dbus/local_message.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

namespace {

void entry(Writer& out, const char* name, const char* type, const std::function<void()>& value) {
  out.open('e', "sv").text(name).open('v', type);
  value();
  out.close().close();
}

}  // namespace

Test(snapshot_reader, known_properties_are_taken_and_unknown_ones_skipped) {
  const LocalMessage message([](Writer& out) {
    out.open('a', "{sv}");
    entry(out, "State", "s", [&] { out.text("activating"); });
    entry(out, "OfALaterVersion", "a{ss}", [&] { out.text_map({{"a", "b"}}); });
    entry(out, "Keyring", "i", [&] { out.i32(-5); });
    out.close();
  });
  Reader in = message.reader();
  const auto status = read_node_status(in);
  cr_assert(status.has_value());
  cr_assert(status->state == node::NodeState::activating);
  cr_assert_eq(status->keyring, -5);
}

Test(snapshot_reader, a_wrong_type_or_state_is_malformed) {
  const LocalMessage type([](Writer& out) {
    out.open('a', "{sv}");
    entry(out, "State", "u", [&] { out.u32(1); });
    out.close();
  });
  Reader first = type.reader();
  cr_assert_eq(read_node_status(first).error().code, Errc::malformed);
  Reader second = type.reader();
  cr_assert_eq(read_nmm_status(second).error().code, Errc::malformed);
  const LocalMessage state([](Writer& out) {
    out.open('a', "{sv}");
    entry(out, "State", "s", [&] { out.text("dancing"); });
    out.close();
  });
  Reader third = state.reader();
  cr_assert_eq(read_node_status(third).error().code, Errc::malformed);
  Reader fourth = state.reader();
  cr_assert_eq(read_managed_asrs(fourth).error().code, Errc::malformed);
  Reader fifth = state.reader();
  cr_assert_eq(read_nodes(fifth).error().code, Errc::malformed);
}

Test(snapshot_reader, more_objects_or_interfaces_than_the_limit_are_refused) {
  const auto objects_of = [](std::size_t objects, std::size_t interfaces) {
    return [objects, interfaces](Writer& out) {
      out.open('a', "{oa{sa{sv}}}");
      for (std::size_t i = 0; i < objects; ++i) {
        out.open('e', "oa{sa{sv}}").object_path("/o" + std::to_string(i)).open('a', "{sa{sv}}");
        for (std::size_t j = 0; j < interfaces; ++j) {
          out.open('e', "sa{sv}").text(j == 0 ? "org.akm.Asr1" : "org.akm.Other").open('a', "{sv}");
          entry(out, "Id", "t", [&] { out.u64(i); });
          out.close().close();
        }
        out.close().close();
      }
      out.close();
    };
  };
  const LocalMessage fits(objects_of(limits::kObjects, 1));
  Reader first = fits.reader();
  const auto all = read_managed_asrs(first);
  cr_assert(all.has_value());
  cr_assert_eq(all->size(), limits::kObjects);
  const LocalMessage over(objects_of(limits::kObjects + 1, 1));
  Reader second = over.reader();
  cr_assert_eq(read_managed_asrs(second).error().code, Errc::too_large);
  const LocalMessage wide(objects_of(1, limits::kInterfaces + 1));
  Reader third = wide.reader();
  cr_assert_eq(read_managed_asrs(third).error().code, Errc::too_large);
}

Test(snapshot_reader, nodes_and_events) {
  const LocalMessage nodes([](Writer& out) {
    out.open('a', "(tssusxats)").open('r', "tssusxats");
    out.u64(7).text("A").text("active").u32(2).text("e").i64(-1).u64s({1, 2}).text("v").close().close();
  });
  Reader in = nodes.reader();
  const auto list = read_nodes(in);
  cr_assert(list.has_value());
  cr_assert_eq(list->at(0).node_id, 7);
  cr_assert_eq(list->at(0).last_heard_ns, -1);
  cr_assert_eq(list->at(0).asrs.size(), 2);
  const LocalMessage event([](Writer& out) { out.text("n").u8(3).i64(4).u64(5).text_map({{"k", "v"}}); });
  Reader again = event.reader();
  const auto record = read_event(again);
  cr_assert(record.has_value());
  cr_assert_eq(record->severity, 3);
  cr_assert_eq(record->fields.at("k"), "v");
}

Test(snapshot_reader, what_ends_on_a_terminal_is_clean_in_lists_and_maps_too) {
  const LocalMessage event([](sd_bus_message* out) {
    cr_assert_geq(sd_bus_message_append(out, "syxta{ss}", "n\x1b", 3, std::int64_t{4}, std::uint64_t{5}, 2,
                                        "k\n", "\x1b[2J", "k\r", "later"),
                  0);
  });
  Reader in = event.reader();
  const auto record = read_event(in);
  cr_assert(record.has_value());
  cr_assert_eq(record->name, "n?");
  cr_assert_eq(record->fields.size(), 1);
  cr_assert_eq(record->fields.at("k?"), "?[2J");
  const LocalMessage status([](sd_bus_message* out) {
    cr_assert_geq(sd_bus_message_append(out, "a{sv}", 3, "Findings", "as", 1, "\x1b[0m", "Counters", "a{st}",
                                        1, "c\n", std::uint64_t{7}, "Probes", "a{ss}", 1, "p\t", "\x7f"),
                  0);
  });
  Reader again = status.reader();
  const auto node = read_node_status(again);
  cr_assert(node.has_value());
  cr_assert_eq(node->findings.at(0), "?[0m");
  cr_assert_eq(node->counters.at("c?"), 7U);
  cr_assert_eq(node->probes.at(0), std::pair(std::string("p?"), std::string("?")));
}

Test(snapshot_reader, bundles_and_drives_are_read_as_they_were_written) {
  const LocalMessage status([](Writer& out) {
    out.open('a', "{sv}");
    entry(out, "Bundles", kBundlesType,
          [&] { put(out, std::vector<node::BundleSnapshot>{{"/dev/a", "f", 3, "no"}}); });
    out.close();
  });
  Reader in = status.reader();
  const auto read = read_node_status(in);
  cr_assert(read.has_value());
  cr_assert(read->bundles == (std::vector<node::BundleSnapshot>{{"/dev/a", "f", 3, "no"}}));
  const LocalMessage drives([](Writer& out) {
    out.open('a', "(sstsass)").open('r', "sstsass").text("/dev/b").text("model").u64(9).text("vfat");
    out.texts({"/media"}).text("").close().close();
  });
  Reader second = drives.reader();
  const auto listed = read_drives(second);
  cr_assert(listed.has_value() && listed->size() == 1);
  cr_assert_eq(listed->at(0).mounted_at.at(0), "/media");
  Reader third = status.reader();
  cr_assert_eq(read_drives(third).error().code, Errc::malformed);
}
