// Items a second through enqueue, lease and finish.
// links: minato_queue
//
//   build/release/bin/queue_bench [sqlite-file | conninfo of PostgreSQL]
//
// A batch is one apply that enqueues, one lease and one apply that finishes, as the follower and a worker do it. The
// yardstick does the least that any queue in SQLite must do: it inserts the same rows, and deletes them, in
// transactions of the same size.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "store/queue/open.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

constexpr const char* kArgs =
    R"({"event":"A08","destination":"laboratory","note":"args of a usual length for a step"})";

template <typename T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "queue_bench: %s\n", result.error().what.c_str());
  std::exit(1);
}
void must(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "queue_bench: %s\n", status.error().what.c_str());
  std::exit(1);
}

double seconds_of(auto work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string lane_name(std::size_t number) {
  return "process|1.2.392.200119.6.102|" + std::to_string(10'000'000 + number);
}

class Load {
 public:
  Load(Queue& queue, std::size_t lanes, std::size_t batch) : queue_(queue), lanes_(lanes), batch_(batch) {}

  void enqueue(std::size_t count) {
    std::vector<QueueChange> changes;
    for (std::size_t i = 0; i < count; ++i) {
      ++seq_;
      changes.push_back(Enqueue{{{Seq{seq_}, 0}, Seq{seq_}, "process", {lane_name(seq_ % lanes_)}, kArgs, {}}, now()});
    }
    apply(changes, count);
  }
  void preload(std::size_t items) {
    for (std::size_t done = 0; done < items; done += 10'000) enqueue(10'000);
  }
  // Returns how many items went through.
  std::size_t round() {
    enqueue(batch_);
    std::vector<Leased> leased;
    lease_seconds_ +=
        seconds_of([&] { leased = must(queue_.lease("bench", now(), {{}, batch_, std::chrono::seconds(60)})); });
    leased_ += leased.size();
    std::vector<QueueChange> changes;
    for (const auto& one : leased) changes.push_back(Finish{one.item.id});
    apply(changes, 1);
    return leased.size();
  }
  double lease_micros_per_lane() const { return lease_seconds_ * 1e6 / static_cast<double>(leased_); }
  double items_per_second(std::size_t items) {
    std::size_t done = 0;
    const double seconds = seconds_of([&] {
      while (done < items) done += round();
    });
    return static_cast<double>(done) / seconds;
  }

 private:
  static Time now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }
  void apply(const std::vector<QueueChange>& changes, std::size_t records) {
    must(queue_.apply(changes, Seq{position_}, Seq{position_ + records}));
    position_ += records;
  }

  Queue& queue_;
  const std::size_t lanes_, batch_;
  std::uint64_t seq_ = 0, position_ = 0;
  double lease_seconds_ = 0;
  std::size_t leased_ = 0;
};

double yardstick(const std::string& path, std::size_t items, std::size_t batch) {
  must(Sqlite::remove_file(path));
  const auto db = must(Sqlite::open_writer(path, {}));
  must(db->execute("CREATE TABLE item (id INTEGER PRIMARY KEY, lane TEXT, step TEXT, args TEXT)"));
  const double seconds = seconds_of([&] {
    for (std::size_t first = 0; first < items; first += batch) {
      auto inserting = must(db->begin());
      for (std::size_t i = first; i < first + batch; ++i) {
        must(db->run("INSERT INTO item VALUES ($1, $2, 'process', $3)", i, lane_name(i % 1000), kArgs));
      }
      must(inserting.commit());
      auto deleting = must(db->begin());
      for (std::size_t i = first; i < first + batch; ++i) must(db->run("DELETE FROM item WHERE id = $1", i));
      must(deleting.commit());
    }
  });
  return static_cast<double>(items) / seconds;
}

struct Case {
  const char* title;
  std::size_t lanes, batch, preload;
};

std::unique_ptr<Queue> fresh(const std::string& where) {
  if (where.find('=') == std::string::npos) {
    must(remove_sqlite_queue(where));
    return must(open_sqlite_queue(where));
  }
  must(remove_postgres_queue({.conninfo = where}));
  return must(open_postgres_queue({.conninfo = where}));
}

void run(const std::string& where, const Case& one, double plain) {
  const auto queue = fresh(where);
  Load load(*queue, one.lanes, one.batch);
  const double preload = seconds_of([&] { load.preload(one.preload); });
  const double rate = load.items_per_second(std::max<std::size_t>(20'000, one.batch * 100));
  std::printf("%-44s %8.0f items/s, lease %5.1f us a lane", one.title, rate, load.lease_micros_per_lane());
  if (plain > 0) std::printf("  %5.1f %% of plain insert + delete", 100 * rate / plain);
  if (one.preload > 0) {
    QueueStats stats;
    const double seconds = seconds_of([&] { stats = must(queue->stats()); });
    std::printf("  (%llu waiting, enqueued at %.0f/s, stats in %.1f ms)",
                static_cast<unsigned long long>(stats.waiting), static_cast<double>(one.preload) / preload,
                seconds * 1e3);
  }
  std::printf("\n");
}

}  // namespace
}  // namespace minato

int main(int argc, char** argv) {
  using namespace minato;
  const std::string where = argc > 1 ? argv[1] : "/tmp/queue_bench-" + std::to_string(::getpid()) + ".db";
  const bool sqlite = where.find('=') == std::string::npos;
  double plain = 0;
  if (sqlite) {
    plain = yardstick(where, 200'000, 500);
    std::printf("%-44s %8.0f items/s\n", "yardstick: plain insert + delete, batch 500", plain);
  }
  run(where, {"1,000 lanes, batch 1", 1000, 1, 0}, plain);
  run(where, {"1,000 lanes, batch 100", 1000, 100, 0}, plain);
  run(where, {"1,000 lanes, batch 500", 1000, 500, 0}, plain);
  run(where, {"1,000 lanes, batch 500, 1 M waiting", 1000, 500, 1'000'000}, plain);
  run(where, {"1 M lanes, batch 500, 1 M waiting", 1'000'000, 500, 1'000'000}, plain);
  if (sqlite) must(remove_sqlite_queue(where));
  return 0;
}
