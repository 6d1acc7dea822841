#pragma once
// Runs a program and waits for it: no shell, both outputs in one text.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace akm::test {

struct ProgramResult {
  int exit_code = -1;  // 127: not found; 128 + signal
  std::string output;
};

inline ProgramResult run_program(const std::vector<std::string>& arguments) {
  int pipe_fds[2];
  ProgramResult result;
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return result;
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe_fds[1], STDOUT_FILENO);
    ::dup2(pipe_fds[1], STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(pipe_fds[1]);
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(pipe_fds[0], buffer, sizeof buffer)) > 0) {
    result.output.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(pipe_fds[0]);
  int status = 0;
  if (pid < 0 || ::waitpid(pid, &status, 0) != pid) return result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

/// True when `program` is found on PATH and runs with `argument`.
inline bool have_program(const std::string& program, const std::string& argument = "--version") {
  return run_program({program, argument}).exit_code != 127;
}

}  // namespace akm::test
