// For tests only: a real PostgreSQL server that lives as long as the test program (tests/support/postgres.sh).
//
//   PostgresForTest* server = PostgresForTest::shared();
//   if (server == nullptr) GTEST_SKIP() << PostgresForTest::kMissing;
//   auto db = Postgres::connect({.conninfo = server->fresh_database()});
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "store/sql/postgres.h"

namespace minato {

class PostgresForTest {
 public:
  static constexpr const char* kMissing =
      "no PostgreSQL server could be started (package postgresql; MINATO_SOURCE_DIR)";

  // One server for the whole program, started at the first call. nullptr: there is none on this machine.
  static PostgresForTest* shared() {
    static PostgresForTest server;
    return server.conninfo_.empty() ? nullptr : &server;
  }

  // A new, empty schema, which costs a tenth of a database. Returns the connection string of those who work in it;
  // empty when it could not be made.
  std::string fresh_database() {
    const std::string name = "test" + std::to_string(++schemas_);
    auto db = Postgres::connect({.conninfo = conninfo_});
    if (!db || !(*db)->execute(("CREATE SCHEMA " + name).c_str())) return {};
    return conninfo_ + " options='-c search_path=" + name + "'";
  }

  // "stop", "kill" (as kill -9) or "start"; true when it was done.
  bool command(const std::string& what) {
    const std::string line = what + "\n";
    return ::write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && read_line() == "ok";
  }

  PostgresForTest(const PostgresForTest&) = delete;
  PostgresForTest& operator=(const PostgresForTest&) = delete;

 private:
  PostgresForTest() {
    const char* source = std::getenv("MINATO_SOURCE_DIR");
    const std::string script = std::string(source == nullptr ? "." : source) + "/tests/support/postgres.sh";
    std::array<int, 2> in{}, out{};
    if (::access(script.c_str(), X_OK) != 0 || ::pipe2(in.data(), O_CLOEXEC) != 0 ||
        ::pipe2(out.data(), O_CLOEXEC) != 0) {
      return;
    }
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execl(script.c_str(), script.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
    conninfo_ = read_line();
  }
  // The script stops the server when its input ends, also when this program is killed.
  ~PostgresForTest() {
    if (to_ >= 0) ::close(to_);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    if (from_ >= 0) ::close(from_);
  }

  std::string read_line() {
    std::string line;
    char c = 0;
    while (::read(from_, &c, 1) == 1 && c != '\n') line.push_back(c);
    return line;
  }

  pid_t child_ = -1;
  int to_ = -1, from_ = -1, schemas_ = 0;
  std::string conninfo_;
};

}  // namespace minato
