#pragma once
// The real akmctl against fake roles on a private bus.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dbus/audit_adaptor.h"
#include "dbus/authorizer.h"
#include "dbus/nmm_adaptor.h"
#include "dbus/node_adaptor.h"
#include "dbus/policy_adaptor.h"
#include "dbus/root_adaptor.h"
#include "dbus/sealing_adaptor.h"
#include "tests/support/dbus_fixture.h"
#include "tests/support/fake_ports.h"
#include "tests/support/fake_root.h"

namespace akm::test {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

inline std::string whole_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

class World {
 public:
  enum class With { node, nmm, both, root, nothing };
  explicit World(With with)
      : node_bus({daemon.address(), dbus::kNodeName}),
        nmm_bus({daemon.address(), dbus::kNmmName}),
        root_bus({daemon.address(), dbus::kRootName}),
        node_authorizer(node_bus, {"", false}),
        nmm_authorizer(nmm_bus, {"", false}),
        root_authorizer(root_bus, {"", false}),
        node_adaptor(node_bus, node_authorizer, node),
        node_rules(node_bus, node_authorizer, dbus::kNodePath, [this] { return &node_policy; }),
        nmm_rules(nmm_bus, nmm_authorizer, dbus::kNmmPath, [this] { return &nmm_policy; }),
        sealing_adaptor(node_bus, node_authorizer, dbus::kNodePath, sealing),
        audit_adaptor(node_bus, node_authorizer, dbus::kNodePath, audit),
        nmm_adaptor(nmm_bus, nmm_authorizer, nmm),
        root_adaptor(root_bus, root_authorizer, root) {
    if (with == With::node || with == With::both) begin(node_bus);
    if (with == With::nmm || with == With::both) begin(nmm_bus);
    if (with == With::root) begin(root_bus);
  }

  Outcome run(std::vector<std::string> arguments, const std::string& input = {},
              const std::function<void()>& each_turn = {}) {
    if (arguments.empty() || arguments.front() != "--host")
      arguments.insert(arguments.begin(), {"--bus", daemon.address()});
    arguments.insert(arguments.begin(), AKMCTL_PATH);
    return execute(std::move(arguments), input, each_turn);
  }
  /// Any program, by its path and arguments.
  Outcome execute(std::vector<std::string> command, const std::string& input = {},
                  const std::function<void()>& each_turn = {}) {
    const pid_t pid = spawn(std::move(command), input);
    Outcome outcome;
    int status = 0;
    const bool ended = pump(servers, [&] {
      if (each_turn) each_turn();
      return waitpid(pid, &status, WNOHANG) == pid;
    });
    if (!ended) {
      (void)kill(pid, SIGKILL);
      (void)waitpid(pid, nullptr, 0);
    } else if (WIFEXITED(status)) {
      outcome.exit_code = WEXITSTATUS(status);
    }
    outcome.out = whole_file(daemon.folder() + "/out");
    outcome.err = whole_file(daemon.folder() + "/err");
    return outcome;
  }

  PrivateBus daemon;
  FakeNode node;
  FakeSealing sealing;
  FakeAudit audit;
  FakePolicy node_policy, nmm_policy;
  FakeNmm nmm;
  FakeRoot root;
  dbus::Bus node_bus;
  dbus::Bus nmm_bus;
  dbus::Bus root_bus;
  dbus::Authorizer node_authorizer;
  dbus::Authorizer nmm_authorizer;
  dbus::Authorizer root_authorizer;
  dbus::NodeAdaptor node_adaptor;
  dbus::PolicyAdaptor node_rules, nmm_rules;
  dbus::SealingAdaptor sealing_adaptor;
  dbus::AuditAdaptor audit_adaptor;
  dbus::NmmAdaptor nmm_adaptor;
  dbus::RootAdaptor root_adaptor;
  std::vector<Pumped> servers;

 private:
  void begin(dbus::Bus& bus) {
    if (!bus.start() || !pump({pumped(bus)}, [&] { return bus.ready(); })) give_up("service not on the bus");
    servers.push_back(pumped(bus));
  }
  pid_t spawn(std::vector<std::string> arguments, const std::string& input) const {
    std::ofstream(daemon.folder() + "/in") << input;
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, (daemon.folder() + "/in").c_str(), O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&files, 1, (daemon.folder() + "/out").c_str(),
                                           O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)posix_spawn_file_actions_addopen(&files, 2, (daemon.folder() + "/err").c_str(),
                                           O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawnattr_t attributes;
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETSID);  // no controlling terminal: a prompt cannot hang
    pid_t pid = 0;
    if (posix_spawn(&pid, argv[0], &files, &attributes, argv.data(), environ) != 0)
      give_up(arguments[0].c_str());
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return pid;
  }
};

}  // namespace akm::test

#define NEED_ROOT() \
  if (geteuid() != 0) cr_skip_test("needs uid 0: other callers are refused here")
