#pragma once
// What somebody on the machine can do to a node, and what an honest program does beside it: one function for
// each act, in tables by what it aims at. Nothing here looks whether it is noticed; results.py does.
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace akm::attacks {

/// Whom it is about, by the arguments of the program.
struct Target {
  pid_t pid = 0;
  std::int32_t keyring = 0;
  std::string state;   // folder
  std::string config;  // folder
  std::string port;    // of the node's UDP socket on 127.0.0.1
};

/// What became of an act: 0 when it succeeded, the errno that refused it, or that there is no such thing
/// here.
inline constexpr int kUnavailable = -1;
/// Environment, beside: AKM_ATTACK_PINS, the folder of the sensor's pins, and AKM_ATTACK_TAMPER, a file that
/// the node watches as a tamper input. And the act that this program was executed again for.
inline constexpr const char* kBearer = "AKM_ATTACK_BEARER";

enum class Kind : std::uint8_t { attack, around, benign };

/// What an act leaves behind, and so where it is done: anywhere, where /etc is a copy, or on a machine that
/// is thrown away afterwards.
enum class Changes : std::uint8_t { nothing, etc, machine };

struct Attack {
  const char* name;       // at most 15 letters: it is the name of the thread that does it
  const char* row;        // "D1"
  const char* detection;  // class; a benign act must lead to none at all
  Kind kind = Kind::attack;
  int (*act)(const Target&);
  Changes changes = Changes::nothing;
};

std::span<const Attack> on_code();
std::span<const Attack> on_keys();
std::span<const Attack> on_process();
std::span<const Attack> on_state();
std::span<const Attack> on_system();
std::span<const Attack> on_clock();
std::span<const Attack> on_machine();
std::span<const Attack> on_privilege();
std::span<const Attack> on_sensor();

/// errno of a call that failed, 0 of one that did not.
int outcome(long result);
/// A key of the keyring: the session secret, or the first one.
std::int32_t key_of(const Target& target);
/// What the act returns, done by a thread of its own, or in a child in new namespaces (CLONE_NEW..).
int in_thread(const std::function<int()>& act);
int in_namespaces(int flags, const std::function<int()>& act);
/// Opens by an io_uring request and closes again.
int open_by_io_uring(int folder, const char* path, int flags);
/// Opens with a path in memory that another thread changes all the time between this one and one that is
/// harmless.
int open_by_race(const std::string& path, int flags);
/// errno of copying the whole of a file to a descriptor.
int copy_file(const char* from, int out);
/// Where a copy of this is that a 32-bit call can name; 0 when there is no such place.
std::uint32_t low_copy(const void* what, std::size_t bytes);
/// Runs this program again from a file that has no name, or under another one, to do an act.
int again_from_memory(const char* act, const Target& target);
int again_renamed(const char* act, const Target& target);
/// Opens and closes.
int open_once(const std::string& path, int flags);

}  // namespace akm::attacks
