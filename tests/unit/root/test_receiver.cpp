#include "daemon/root/receiver.h"

#include <criterion/criterion.h>

#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;
using namespace std::chrono_literals;

namespace {

/// An NMM that is active, and says what the test likes.
struct Fixture {
  RootNet net{1, 1};
  NmmMachine& nmm = *net.nmms[0];
  Fixture() {
    cr_assert(nmm.join(*net.prepare(nmm)));
    net.run(2s);
  }
  /// As a one-way message: what counts is what it changes.
  void ask(protocol::Method method, const std::vector<std::uint8_t>& body) {
    protocol::RequestReceived request;
    request.asr_id = nmm.nmm->root_link().asr_id();
    request.request_id = 1;
    request.method = method;
    request.expects_response = false;
    request.body = SecretBuffer::copy_of(body);
    request.from = nmm.endpoint;
    service::Report report = std::move(request);
    net.root->report(report);
    net.run(1s);
  }
};

}  // namespace

Test(receiver, an_activation_of_another_machine_is_refused_and_said) {
  Fixture f;
  protocol::ActivateRequest other;
  other.hardware_value = {9};
  other.version = "0.1.0";
  f.ask(protocol::Method::activate, other.encode());
  const EventRecord* event = f.net.event("activation-refused");
  cr_assert_not_null(event);
  cr_assert_str_eq(event->fields.at("nmm").c_str(), "north");
}

Test(receiver, a_bundle_that_has_expired_is_refused) {
  RootNet net(1, 0);
  const auto content = net.prepare(*net.nmms[0]);
  net.run(std::chrono::hours(24 * 8));
  cr_assert(net.nmms[0]->join(*content));
  net.run(10s);
  cr_assert_eq(net.root->nmms()[0].state, "prepared");
  cr_assert_not_null(net.event("activation-refused"));
}

Test(receiver, garbage_and_methods_that_are_not_an_nmm_s_change_nothing) {
  Fixture f;
  const auto before = f.net.root->book().all();
  for (std::uint8_t i = 1; i <= static_cast<std::uint8_t>(protocol::kLastMethod); ++i)
    f.ask(static_cast<protocol::Method>(i), {0xff, 0x00});
  cr_assert(f.net.root->book().all() == before);
}

Test(receiver, another_secret_than_the_root_s_is_not_adopted) {
  Fixture f;
  protocol::AdoptRequest adopt;
  adopt.nmm_id = f.nmm.status().nmm_id;
  adopt.secrets.resize(1);
  adopt.secrets[0].number = 1;
  const SecretBuffer body = adopt.encode();
  const auto before = f.net.database->secret(secret_name(adopt.nmm_id, 1));
  f.ask(protocol::Method::adopt, {body.reveal().begin(), body.reveal().end()});
  const auto after = f.net.database->secret(secret_name(adopt.nmm_id, 1));
  cr_assert(std::ranges::equal(before->reveal(), after->reveal()));
  cr_assert_null(f.net.event("nmm-adopted"));
}

Test(receiver, what_was_reported_is_known_after_a_restart_of_the_root) {
  Fixture f;
  f.net.activate_all(f.nmm);
  f.net.run(3s);
  cr_assert_eq(f.net.root->nmms()[0].nodes, 1U);
  f.net.restart_root();
  f.net.run(1s);
  cr_assert_eq(f.net.root->nmms()[0].nodes, 1U);
}

Test(receiver, what_was_reported_is_counted_when_the_database_is_back) {
  Fixture f;
  f.net.activate_all(f.nmm);
  f.net.run(3s);
  f.net.database_down = true;
  f.net.restart_root();
  f.net.root->database_reached();  // while it is asked already
  f.net.run(10ms);
  cr_assert_eq(f.net.root->nmms()[0].nodes, 0U);
  f.net.database_down = false;
  f.net.root->database_reached();
  f.net.run(10ms);
  cr_assert_eq(f.net.root->nmms()[0].nodes, 1U);
}

Test(receiver, a_start_asks_the_database_once_however_many_nmms_there_are) {
  Fixture f;
  for (const char* name : {"east", "west"}) {
    ControlPort::Prepare what;
    what.nmm_name = name;
    what.hardware_value = f.nmm.hardware_value();
    f.net.root->issuer().prepare(what, "test", [](const Result<protocol::BundleContent>&) {});
  }
  f.net.run(10ms);
  cr_assert_eq(f.net.root->nmms().size(), 3U);
  f.net.database_jobs = 0;
  f.net.restart_root();
  cr_assert_eq(f.net.database_jobs, 1U);
}

Test(receiver, a_report_that_cannot_be_stored_is_said_again) {
  Fixture f;
  f.net.database_down = true;
  f.net.activate_all(f.nmm);
  f.net.run(5s);
  cr_assert_not_null(f.net.event("report-not-stored"));
  cr_assert_gt(f.nmm.status().counters.at("root_pending"), 0U);
  f.net.database_down = false;
  f.net.run(70s);
  cr_assert_eq(f.nmm.status().counters.at("root_pending"), 0U);
}
