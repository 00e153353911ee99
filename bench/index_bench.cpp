// Measures the message index.
// links: minato_index
//
//   index_bench [ROWS] [DIRECTORY]        defaults: 1000000, a fresh directory under /tmp
//
// Rows a second in, bytes a row on disk, and the time of each kind of search, each against a full scan of the table
// (count(*) with a condition) as a yardstick. Prints one line a measure.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "store/index/derived.h"
#include "store/index/feed_activity.h"
#include "store/index/message_index.h"
#include "store/sql/sqlite.h"

using namespace minato;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kBatch = 1000;
constexpr std::uint64_t kPatients = 100'000;

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "index_bench: %s\n", error.what.c_str());
  std::exit(1);
}
void check(const Status& status) {
  if (!status) die(status.error());
}
template <typename T>
T must(Result<T> result) {
  if (!result) die(result.error());
  return std::move(*result);
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::uint64_t file_bytes(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// A hospital's traffic: 40 senders of unlike size, a dozen kinds of message, 100,000 patients of whom some come often.
class Traffic {
 public:
  IndexedMessage next() {
    static constexpr const char* kEvents[][2] = {{"ADT", "A01"}, {"ADT", "A02"}, {"ADT", "A03"}, {"ADT", "A04"},
                                                 {"ADT", "A08"}, {"ADT", "A11"}, {"ORU", "R01"}, {"ORM", "O01"},
                                                 {"OML", "O21"}, {"SIU", "S12"}, {"MDM", "T02"}, {"DFT", "P03"}};
    IndexedMessage m;
    ++n_;
    const auto sender = std::min(random_() % 40, random_() % 40);
    m.seq = Seq{n_};
    m.received = from_micros(1'790'000'000'000'000 + static_cast<std::int64_t>(n_) * 40'000);
    m.listener = sender % 2 == 0 ? "adt" : "results";
    m.peer = "10.1.2." + std::to_string(sender);
    m.sender_application = "APP" + std::to_string(sender);
    m.sender_facility = "HOSPITAL";
    const auto event = random_() % 12;
    m.message_type = kEvents[event][0];
    m.trigger = kEvents[event][1];
    m.control_id = "MSG" + std::to_string(20261124000000 + n_);
    const auto patient = std::min(random_() % kPatients, random_() % kPatients);
    m.patient_ids = {mrn(patient)};
    m.encounter_ids = {"V" + std::to_string(70000000 + patient * 3 + n_ % 3)};
    if (event >= 6) m.order_ids = {"ORD" + std::to_string(n_)};
    m.bytes = 600 + random_() % 400;
    m.ack = "AA";
    m.items.open = 1;
    if (n_ % 5000 == 0) m.status = MessageStatus::kRefused;
    if (n_ % 100 == 0) m.warnings = {"charset-undeclared"};
    return m;
  }
  static std::string mrn(std::uint64_t patient) { return std::to_string(10000000 + patient); }

 private:
  std::uint64_t n_ = 0;
  std::mt19937_64 random_{7};
};

void fill(DerivedDatabase& derived, MessageIndex& index, FeedActivity& feeds, std::size_t rows) {
  Traffic traffic;
  const auto start = Clock::now();
  std::uint64_t message_bytes = 0;
  for (std::size_t done = 0; done < rows; done += kBatch) {
    check(derived.begin());
    Seq last;
    for (std::size_t i = 0; i < kBatch; ++i) {
      const auto m = traffic.next();
      check(index.add(m));
      check(feeds.note({m.listener, m.sender_application, m.sender_facility}, m.seq, m.received, m.bytes,
                       FeedEvent::kAccepted));
      message_bytes += m.bytes;
      last = m.seq;
    }
    check(derived.commit(last));
  }
  const double added = seconds_since(start);
  std::printf("insert               %9.0f rows/s\n", static_cast<double>(rows) / added);
  const auto start_done = Clock::now();
  for (std::size_t seq = 1; seq <= rows;) {
    check(derived.begin());
    for (std::size_t i = 0; i < kBatch && seq <= rows; ++i, ++seq) {
      check(index.change_items(
          Seq{seq}, seq % 2000 == 7 ? ItemCounts{.open = -1, .parked = 1} : ItemCounts{.open = -1, .done = 1}));
    }
    check(derived.commit(Seq{rows}));
  }
  std::printf("queued -> done       %9.0f rows/s\n", static_cast<double>(rows) / seconds_since(start_done));
  std::printf("message bytes        %9.1f a message\n", static_cast<double>(message_bytes) / static_cast<double>(rows));
}

struct Timing {
  double p50_ms, p99_ms;
  std::size_t rows;
};

Timing time_of(const std::function<std::size_t(std::size_t)>& once, int rounds) {
  std::vector<double> times;
  std::size_t rows = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    rows += once(static_cast<std::size_t>(i));
    times.push_back(seconds_since(start) * 1000);
  }
  std::ranges::sort(times);
  const auto at = [&](double part) {
    return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
  };
  return {at(0.5), at(0.99), rows / static_cast<std::size_t>(rounds)};
}

void search_all(Sqlite& db, std::size_t rows) {
  const Timing scan = time_of(
      [&](std::size_t) {
        return static_cast<std::size_t>(
            must(db.query_integer("SELECT count(*) FROM message WHERE bytes > 700")).value_or(0));
      },
      3);
  std::printf("full scan            %9.2f ms   the yardstick\n", scan.p50_ms);
  MessageSearch search(db);
  const auto base = from_micros(1'790'000'000'000'000);
  const auto at = [&](std::size_t i) { return base + std::chrono::milliseconds(40) * static_cast<std::int64_t>(i); };
  struct Case {
    const char* what;
    std::function<MessageFilter(std::size_t)> filter;
    std::optional<Seq> before = {};
  };
  const std::vector<Case> cases = {
      {"newest", [](std::size_t) { return MessageFilter{}; }},
      {"control id",
       [&](std::size_t i) {
         return MessageFilter{.control_id = "MSG" + std::to_string(20261124000000 + 1 + i * 7919 % rows)};
       }},
      {"control id, unknown", [](std::size_t i) { return MessageFilter{.control_id = "NONE" + std::to_string(i)}; }},
      {"mrn", [](std::size_t i) { return MessageFilter{.patient_id = Traffic::mrn(i * 37 % kPatients)}; }},
      {"mrn + done",
       [](std::size_t i) { return MessageFilter{.patient_id = Traffic::mrn(i), .statuses = {MessageStatus::kDone}}; }},
      {"mrn + parked",
       [](std::size_t i) {
         return MessageFilter{.patient_id = Traffic::mrn(i), .statuses = {MessageStatus::kParked}};
       }},
      {"mrn + type + time",
       [&](std::size_t i) {
         return MessageFilter{
             .patient_id = Traffic::mrn(i), .message_type = "ADT", .from = at(rows / 4), .to = at(rows / 2)};
       }},
      {"type", [](std::size_t) { return MessageFilter{.message_type = "ORU"}; }},
      {"sender", [](std::size_t i) { return MessageFilter{.sender_application = "APP" + std::to_string(i % 40)}; }},
      {"sender + type",
       [](std::size_t i) {
         return MessageFilter{.message_type = "MDM", .sender_application = "APP" + std::to_string(i % 40)};
       }},
      {"status parked", [](std::size_t) { return MessageFilter{.statuses = {MessageStatus::kParked}}; }},
      {"status refused", [](std::size_t) { return MessageFilter{.statuses = {MessageStatus::kRefused}}; }},
      {"status done", [](std::size_t) { return MessageFilter{.statuses = {MessageStatus::kDone}}; }},
      {"parked + rare sender",
       [](std::size_t) { return MessageFilter{.sender_application = "APP39", .statuses = {MessageStatus::kParked}}; }},
      {"time, an old hour",
       [&](std::size_t i) { return MessageFilter{.from = at(i * 100), .to = at(i * 100) + std::chrono::hours(1)}; }},
      {"time + sender",
       [&](std::size_t i) {
         return MessageFilter{
             .sender_application = "APP5", .from = at(i * 100), .to = at(i * 100) + std::chrono::hours(1)};
       }},
      {"time + parked",
       [&](std::size_t i) {
         return MessageFilter{.statuses = {MessageStatus::kParked}, .from = at(i * 100), .to = at(i * 100 + 90'000)};
       }},
      {"deep page of status", [](std::size_t) { return MessageFilter{.statuses = {MessageStatus::kDone}}; },
       Seq{rows / 10}},
  };
  for (const auto& c : cases) {
    const Timing t =
        time_of([&](std::size_t i) { return must(search.search(c.filter(i), c.before, 50)).rows.size(); }, 200);
    std::printf("%-22s %7.3f ms p50 %8.3f ms p99 %5zu rows  %8.1fx faster than the scan\n", c.what, t.p50_ms, t.p99_ms,
                t.rows, scan.p50_ms / t.p50_ms);
  }
}

void table_sizes(Sqlite& db, std::size_t rows) {
  auto sizes = db.query("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8");
  if (!sizes) return;  // a SQLite without dbstat
  while (must(sizes->step())) {
    std::printf("  %-18s %9.1f bytes a row\n", std::string(sizes->text(0)).c_str(),
                static_cast<double>(sizes->integer(1)) / static_cast<double>(rows));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  char made[] = "/tmp/index_bench.XXXXXX";
  const std::string directory = argc > 2 ? argv[2] : ::mkdtemp(made);
  const std::string path = directory + "/derived.db";
  {
    auto derived = must(DerivedDatabase::open(
        {.path = path, .projections = {MessageIndex::schema(), FeedActivity::schema()}, .journal_last = Seq{rows}}));
    MessageIndex index(derived->writer());
    FeedActivity feeds(derived->writer());
    derived->enlist(index);
    derived->enlist(feeds);
    fill(*derived, index, feeds, rows);
    must(derived->release_space(1'000'000));
    std::printf("index on disk        %9.1f bytes a message\n",
                static_cast<double>(file_bytes(path) + file_bytes(path + "-wal")) / static_cast<double>(rows));
    auto reader = must(derived->reader(Clock::now() + std::chrono::seconds(1)));
    table_sizes(reader.database(), rows);
    search_all(reader.database(), rows);
  }
  {
    const auto start = Clock::now();
    auto derived = must(DerivedDatabase::open(
        {.path = path, .projections = {MessageIndex::schema(), FeedActivity::schema()}, .journal_last = Seq{rows}}));
    std::printf("open                 %9.2f ms\n", seconds_since(start) * 1000);
    MessageIndex index(derived->writer());
    derived->enlist(index);
    const auto start_purge = Clock::now();
    for (bool all = false; !all;) {
      check(derived->begin());
      all = must(index.purge(Seq{rows / 2}, 10'000));
      check(derived->commit(derived->position()));
    }
    must(derived->release_space(10'000'000));
    std::printf("purge of half        %9.0f rows/s, %.1f MB left\n",
                static_cast<double>(rows) / 2 / seconds_since(start_purge),
                static_cast<double>(file_bytes(path)) / 1e6);
  }
  if (argc <= 2) {
    check(Sqlite::remove_file(path));
    ::rmdir(directory.c_str());
  }
}
