// For tests only: a program that runs beside the test, with pipes to its standard input and output. Closing its input,
// or the end of the test, ends it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "os/fd.h"

extern char** environ;

namespace minato {

class TestProcess {
 public:
  explicit TestProcess(const std::vector<std::string>& arguments) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    input_ = Fd(in[1]);
    output_ = Fd(out[0]);
    const Fd child_in(in[0]), child_out(out[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_in.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, child_out.get(), 1);
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~TestProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  TestProcess(const TestProcess&) = delete;
  TestProcess& operator=(const TestProcess&) = delete;

  bool started() const { return pid_ > 0; }
  // Up to the next line's end, or to the output's end.
  std::string line() {
    std::string out;
    char c = 0;
    while (::read(output_.get(), &c, 1) == 1 && c != '\n') out += c;
    return out;
  }
  // All that is left of the output, and the exit status.
  std::string rest() {
    std::string out;
    char chunk[4096];
    for (ssize_t n = 0; (n = ::read(output_.get(), chunk, sizeof chunk)) > 0;)
      out.append(chunk, static_cast<std::size_t>(n));
    return out;
  }
  // The first path to an installed interpreter of Debian, which sees Debian's Python packages.
  static std::string python() { return "/usr/bin/python3"; }
  // A file of the repository; empty when the test does not know where that is.
  static std::string source(const std::string& path) {
    const char* root = std::getenv("MINATO_SOURCE_DIR");
    return root == nullptr ? std::string() : std::string(root) + "/" + path;
  }

 private:
  pid_t pid_ = -1;
  Fd input_, output_;
};

}  // namespace minato
