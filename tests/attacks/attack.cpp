// attack list                                          every act, a line each: name row class kind where
// attack NAME PID KEYRING STATE CONFIG PORT            does it, says what became of it, and stays a moment
//
// The act is done by a child that bears its name and lives some seconds longer, because fanotify's reader
// asks for the name of a process after the fact.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "tests/attacks/attack.h"

namespace {

using akm::attacks::Attack;
using akm::attacks::Changes;
using akm::attacks::Kind;

constexpr unsigned kStaySeconds = 4;
constexpr int kUsage = 2;

template <typename Do>
void for_each_act(Do&& act) {
  for (const auto table :
       {akm::attacks::on_keys(), akm::attacks::on_process(), akm::attacks::on_state(),
        akm::attacks::on_system(), akm::attacks::on_clock(), akm::attacks::on_machine(),
        akm::attacks::on_code(), akm::attacks::on_privilege(), akm::attacks::on_sensor()}) {
    for (const Attack& one : table) act(one);
  }
}

const char* kind_name(Kind kind) {
  return kind == Kind::attack ? "attack" : kind == Kind::around ? "around" : "benign";
}

const char* place_name(Changes changes) {
  return changes == Changes::nothing ? "anywhere" : changes == Changes::etc ? "etc" : "disposable";
}

void say(const Attack& act, int result) {
  const char* what = result == 0 ? "done" : result == akm::attacks::kUnavailable ? "unavailable" : "refused";
  std::printf("ACT %s %s %s %s %d %s %s\n", act.row, act.detection, kind_name(act.kind), act.name, ::getpid(),
              what, result > 0 ? std::strerror(result) : "");
  std::fflush(stdout);
}

const Attack* find(const char* name) {
  const Attack* found = nullptr;
  for_each_act([&](const Attack& one) {
    if (std::strcmp(one.name, name) == 0) found = &one;
  });
  return found;
}

int carry_out(const Attack& named, int (*act)(const akm::attacks::Target&),
              const akm::attacks::Target& target) {
  (void)::prctl(PR_SET_NAME, named.name);
  say(named, act(target));
  // Whoever waits for our output goes on.
  (void)std::freopen("/dev/null", "w", stdout);
  (void)std::freopen("/dev/null", "w", stderr);
  (void)::sleep(kStaySeconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
    for_each_act([](const Attack& one) {
      std::printf("%s %s %s %s %s\n", one.name, one.row, one.detection, kind_name(one.kind),
                  place_name(one.changes));
    });
    return 0;
  }
  if (argc != 7) {
    std::fprintf(stderr, "usage: attack list | attack NAME PID KEYRING STATE CONFIG PORT\n");
    return kUsage;
  }
  const akm::attacks::Target target{.pid = std::atoi(argv[2]),
                                    .keyring = std::atoi(argv[3]),
                                    .state = argv[4],
                                    .config = argv[5],
                                    .port = argv[6]};
  const Attack* const wanted = find(argv[1]);
  if (wanted == nullptr) return kUsage;
  // Executed again by an act that goes on as another one: it keeps its own name.
  const char* const bearer = std::getenv(akm::attacks::kBearer);
  const Attack* const named = bearer == nullptr ? nullptr : find(bearer);
  if (named != nullptr) return carry_out(*named, wanted->act, target);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(carry_out(*wanted, wanted->act, target));
  return child < 0 ? 1 : 0;
}
