#include "daemon/service/bundle_source.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <fstream>

#include "daemon/protocol/bundle.h"
#include "tests/support/loop_drive.h"

using namespace akm;
using namespace akm::service;
using akm::test::LoopDrive;
using akm::test::TemporaryFolder;

namespace {

Errc refusal(const std::string& path, const std::vector<std::string>& also = {}) {
  const auto source = BundleSource::open(path, also);
  return source ? Errc::internal : source.error().code;
}

void put(const LoopDrive& drive, const std::string& name, const std::string& text) {
  cr_assert(drive.with_mounted(
      [&](const std::string& place) { std::ofstream(place + "/" + name, std::ios::binary) << text; }));
}

}  // namespace

Test(bundle_source, a_file_or_a_folder_with_one) {
  const TemporaryFolder folder;
  cr_assert_eq(refusal(folder.path()), Errc::not_found);
  const std::string path = folder.write("a.akmbundle", "content");
  cr_assert_eq(BundleSource::open(path, {})->bytes().size(), 7);
  auto source = BundleSource::open(folder.path(), {});
  cr_assert(source.has_value());
  cr_assert_eq(source->way(), "file");
  folder.write("b.akmbundle", "other");
  const auto several = BundleSource::open(folder.path(), {});
  cr_assert_eq(several.error().code, Errc::invalid_argument);
  cr_assert(several.error().detail.find("a.akmbundle b.akmbundle") != std::string::npos);
  cr_assert(source->consume("receipt").has_value());
  cr_assert_not(std::filesystem::exists(path));
  cr_assert(std::filesystem::exists(folder.file("a.akmreceipt")));
  cr_assert_eq(refusal(folder.file("b.akmbundle/c.akmbundle")), Errc::not_found);
}

Test(bundle_source, a_drive_is_read_and_consumed) {
  NEED_LOOP_DRIVE(drive);
  const std::vector<std::string> also{drive.node()};
  cr_assert_eq(refusal(drive.node()), Errc::refused_by_policy, "not a removable one");
  cr_assert_eq(refusal(drive.node(), also), Errc::not_found);
  put(drive, "a.akmbundle", "content");
  put(drive, "other.txt", "x");
  put(drive, ".b.akmbundle", "x");
  {
    auto source = BundleSource::open(drive.node(), also);
    cr_assert(source.has_value(), "%s", source.error().message().c_str());
    cr_assert_eq(source->way(), "drive");
    cr_assert_eq(source->bytes().size(), 7);
    cr_assert(source->consume("receipt").has_value());
  }
  cr_assert(drive.with_mounted([](const std::string& place) {
    cr_assert_not(std::filesystem::exists(place + "/a.akmbundle"));
    cr_assert_eq(std::filesystem::file_size(place + "/a.akmreceipt"), 7);
  }));
  cr_assert_eq(refusal(drive.node() + "/a.akmbundle", also), Errc::not_found);
}

Test(bundle_source, one_of_several_is_named) {
  NEED_LOOP_DRIVE(drive);
  const std::vector<std::string> also{drive.node()};
  put(drive, "a.akmbundle", "first");
  put(drive, "b.akmbundle", "the second");
  cr_assert_eq(refusal(drive.node(), also), Errc::invalid_argument);
  auto source = BundleSource::open(drive.node() + "/b.akmbundle", also);
  cr_assert(source.has_value(), "%s", source.error().message().c_str());
  cr_assert_eq(source->bytes().size(), 10);
  cr_assert_eq(refusal(drive.node() + "/../x.akmbundle", also), Errc::invalid_argument);
  put(drive, "b.akmbundle", "another one");
  cr_assert_eq(source->consume("receipt").error().code, Errc::not_found, "not what was read");
  cr_assert(drive.with_mounted([](const std::string& place) {
    cr_assert_eq(std::filesystem::file_size(place + "/b.akmbundle"), 11);
  }));
}

Test(bundle_source, what_cannot_be_consumed_is_not_used) {
  NEED_LOOP_DRIVE(drive);
  put(drive, "a.akmbundle", "content");
  drive.detach();
  drive.attach(true);
  cr_assert_eq(refusal(drive.node(), {drive.node()}), Errc::read_only);
}

Test(bundle_source, what_is_plugged_in_is_found_with_its_reasons) {
  NEED_LOOP_DRIVE(drive);
  put(drive, "a.akmbundle", "content");
  cr_assert(drive.with_mounted([](const std::string& place) {
    cr_assert_eq(::mkfifo((place + "/fifo.akmbundle").c_str(), 0600), 0);
    std::filesystem::create_symlink("/etc/passwd", place + "/link.akmbundle");
    std::ofstream(place + "/large.akmbundle") << std::string(protocol::kBundleBytes + 1, 'x');
  }));
  std::vector<BundleOffer> found;
  for (BundleOffer& one : look_for_bundles({drive.node()})) {
    if (one.device == drive.node()) found.push_back(std::move(one));
  }
  cr_assert_eq(found.size(), 4);
  cr_assert_eq(found[0].name, "a.akmbundle");
  cr_assert(found[0].refusal.empty());
  cr_assert(found[0].digest != protocol::Digest32{});
  for (std::size_t i = 1; i < 4; ++i) cr_assert_not(found[i].refusal.empty(), "%s", found[i].name.c_str());
  for (const BundleOffer& one : look_for_bundles({}))
    cr_assert_neq(one.device, drive.node(), "not removable");
}
