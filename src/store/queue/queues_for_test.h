// For tests only: every kind of queue there is, opened empty, and opened again as after a restart.
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "store/queue/open.h"
#include "store/sql/postgres_for_test.h"

namespace minato {

enum class QueueKind : std::uint8_t { kFile, kMemory, kPostgres };

inline std::string name_of(const ::testing::TestParamInfo<QueueKind>& info) {
  switch (info.param) {
    case QueueKind::kFile:
      return "SqliteFile";
    case QueueKind::kMemory:
      return "SqliteMemory";
    case QueueKind::kPostgres:
      return "Postgres";
  }
  return "Unknown";
}

class QueueForTest {
 public:
  explicit QueueForTest(QueueKind kind) : kind_(kind) {
    if (kind == QueueKind::kFile) {
      char name[] = "/tmp/minato-queue-XXXXXX";
      directory_ = ::mkdtemp(name);
      path_ = directory_ + "/queue.db";
    } else if (kind == QueueKind::kPostgres) {
      PostgresForTest* server = PostgresForTest::shared();
      if (server == nullptr) return;
      postgres_.conninfo = server->fresh_database();
    }
    there_ = true;
    open();
  }
  ~QueueForTest() {
    queue_.reset();
    if (!directory_.empty()) remove_directory();
  }
  QueueForTest(const QueueForTest&) = delete;
  QueueForTest& operator=(const QueueForTest&) = delete;

  bool there() const { return there_; }  // false: no PostgreSQL on this machine
  Queue& operator*() { return *queue_; }
  Queue* operator->() { return queue_.get(); }
  const PostgresOptions& postgres() const { return postgres_; }
  const std::string& path() const { return path_; }

  bool survives_restarts() const { return kind_ != QueueKind::kMemory; }
  bool restart_ends_leases() const { return kind_ == QueueKind::kFile; }
  void restart() {
    queue_.reset();
    open();
  }
  // What an operator does who wants it rebuilt.
  void remove() {
    queue_.reset();
    const Status removed = kind_ == QueueKind::kFile       ? remove_sqlite_queue(path_)
                           : kind_ == QueueKind::kPostgres ? remove_postgres_queue(postgres_)
                                                           : Status();
    ASSERT_TRUE(removed) << removed.error().what;
    open();
  }
  std::unique_ptr<Queue> open_another() {
    auto other = open_postgres_queue(postgres_);
    EXPECT_TRUE(other) << (other ? "" : other.error().what);
    return other ? std::move(*other) : nullptr;
  }

 private:
  void remove_directory() {
    DIR* const listing = ::opendir(directory_.c_str());
    while (const dirent* entry = listing == nullptr ? nullptr : ::readdir(listing)) {
      ::unlink((directory_ + "/" + entry->d_name).c_str());
    }
    if (listing != nullptr) ::closedir(listing);
    ::rmdir(directory_.c_str());
  }

  void open() {
    auto opened = kind_ == QueueKind::kPostgres ? open_postgres_queue(postgres_)
                                                : open_sqlite_queue(kind_ == QueueKind::kFile ? path_ : ":memory:");
    ASSERT_TRUE(opened) << opened.error().what;
    queue_ = std::move(*opened);
  }

  QueueKind kind_;
  bool there_ = false;
  std::string directory_, path_;
  PostgresOptions postgres_;
  std::unique_ptr<Queue> queue_;
};

}  // namespace minato
