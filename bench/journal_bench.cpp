// Durable records a second through the journal against a bare write + fdatasync loop in the same run.
// links: minato_journal
//
// And what the records cost on disk once sealed.
//
//   build/release/bin/journal_bench [directory] [seconds per figure]
//
// Two shapes, both with 1, 16 and 64 records under way, each an ADT message of about 700 bytes with its envelope:
//   threads   as many threads, each waits for its record to be durable before it makes the next (append). The bare loop
//   has the
//             same threads, one buffer, and one thread that writes and syncs it.
//   links     two threads with half of the links each, as the listener has them (submit, with a sink). The bare loop is
//   one
//             thread that writes as many records as there are links, syncs, and begins again: nobody waits for anybody.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "store/journal/segment_format.h"
#include "store/journal/segment_journal.h"
#include "store/journal/test_directory.h"
#include "store/journal/test_records.h"

namespace {

using namespace minato;
using Clock = std::chrono::steady_clock;

double g_seconds = 1.5;

// The same bytes for everybody, made before the clock runs.
const std::vector<Record>& messages() {
  static const auto made = [] {
    std::vector<Record> records;
    for (std::uint64_t i = 0; i < 4096; ++i) records.push_back(test_message(i));
    return records;
  }();
  return made;
}

struct Figure {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

Figure figure(std::vector<double> waits_us, double seconds) {
  if (waits_us.empty()) return {};
  std::sort(waits_us.begin(), waits_us.end());
  return {.per_second = static_cast<double>(waits_us.size()) / seconds,
          .p50_us = waits_us[waits_us.size() / 2],
          .p99_us = waits_us[waits_us.size() * 99 / 100]};
}

double microseconds(Clock::duration span) { return std::chrono::duration<double, std::micro>(span).count(); }

// Runs `step(thread, turn)` on `threads` threads for the time and measures each call.
template <typename Step>
Figure run_threads(std::size_t threads, Step step) {
  std::atomic<bool> stop{false};
  std::vector<std::vector<double>> waits(threads);
  std::vector<std::thread> running;
  const auto begun = Clock::now();
  for (std::size_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      for (std::size_t turn = 0; !stop; ++turn) {
        const auto from = Clock::now();
        step(thread, turn);
        waits[thread].push_back(microseconds(Clock::now() - from));
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(g_seconds));
  stop = true;
  for (auto& thread : running) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  std::vector<double> all;
  for (const auto& one : waits) all.insert(all.end(), one.begin(), one.end());
  return figure(std::move(all), seconds);
}

void must(bool well, const char* what) {
  if (well) return;
  std::fprintf(stderr, "journal_bench: %s\n", what);
  std::exit(1);
}

// The least that group commit can be: one buffer, one thread, one file of zeros that was there before.
class BareCommitter {
 public:
  explicit BareCommitter(const std::string& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    must(fd_ >= 0, "cannot make the bare file");
    const std::string zeros(kMiB, '\0');
    for (std::size_t i = 0; i < kFileBytes / kMiB; ++i)
      must(::write(fd_, zeros.data(), kMiB) > 0, "cannot fill the file");
    must(::fsync(fd_) == 0, "fsync");
  }
  ~BareCommitter() {
    stop();
    ::close(fd_);
  }
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    wanted_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void append(const std::string& record) {
    std::unique_lock lock(mutex_);
    buffer_ += record;
    const auto generation = generation_ + (committing_ ? 2 : 1);
    wanted_.notify_one();
    done_.wait(lock, [&] { return generation_ >= generation || stopping_; });
  }
  void write_and_sync(const std::string& bytes) {
    if (offset_ + bytes.size() > kFileBytes) offset_ = 0;
    must(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset_)) == static_cast<ssize_t>(bytes.size()),
         "write");
    must(::fdatasync(fd_) == 0, "fdatasync");
    offset_ += bytes.size();
  }

 private:
  static constexpr std::size_t kFileBytes = 64 * kMiB;

  void run() {
    std::unique_lock lock(mutex_);
    std::string taken;
    while (true) {
      wanted_.wait(lock, [this] { return !buffer_.empty() || stopping_; });
      if (stopping_) break;
      taken.clear();
      taken.swap(buffer_);
      committing_ = true;
      lock.unlock();
      write_and_sync(taken);
      lock.lock();
      committing_ = false;
      ++generation_;
      done_.notify_all();
    }
    done_.notify_all();
  }

  int fd_;
  std::size_t offset_ = 0;
  std::mutex mutex_;
  std::condition_variable wanted_, done_;
  std::string buffer_;
  std::uint64_t generation_ = 0;
  bool committing_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

std::string encoded(const Record& record) {
  std::string bytes;
  encode_record(bytes, record);
  return bytes;
}

const std::vector<std::string>& encoded_messages() {
  static const auto made = [] {
    std::vector<std::string> all;
    for (const auto& record : messages()) all.push_back(encoded(record));
    return all;
  }();
  return made;
}

Figure bare_threads(const std::string& directory, std::size_t threads) {
  BareCommitter bare(directory + "/bare");
  bare.start();
  const auto& all = encoded_messages();
  const auto result = run_threads(
      threads, [&](std::size_t thread, std::size_t turn) { bare.append(all[(thread * 64 + turn) % all.size()]); });
  return result;
}

Figure bare_links(const std::string& directory, std::size_t links) {
  BareCommitter bare(directory + "/bare");
  const auto& all = encoded_messages();
  std::size_t next = 0;
  std::string group;
  auto result = run_threads(1, [&](std::size_t, std::size_t) {
    group.clear();
    for (std::size_t i = 0; i < links; ++i) group += all[next++ % all.size()];
    bare.write_and_sync(group);
  });
  result.per_second *= static_cast<double>(links);
  return result;
}

std::unique_ptr<SegmentJournal> fresh_journal(const std::string& directory, CommitMode mode) {
  static int number = 0;
  SegmentJournalOptions options;
  options.directory = directory + "/journal" + std::to_string(++number);
  options.commit_mode = mode;
  options.compression_level = 1;  // sealing is measured by itself
  auto opened = open_segment_journal(real_files(), real_clock(), options);
  must(opened.has_value(), "cannot open the journal");
  return std::move(*opened);
}

Figure journal_threads(const std::string& directory, std::size_t threads, CommitMode mode) {
  const auto journal = fresh_journal(directory, mode);
  const auto& all = messages();
  auto result = run_threads(threads, [&](std::size_t thread, std::size_t turn) {
    must(journal->append({all[(thread * 64 + turn) % all.size()]}).has_value(), "append failed");
  });
  return result;
}

// One of the listener's threads: links that have their answer send the next message, all of them in one submit().
class LinkLoop final : public CommitSink {
 public:
  LinkLoop(Journal& journal, std::size_t links) : journal_(journal), begun_(links) {
    for (std::size_t link = 0; link < links; ++link) ready_.push_back(link);
  }
  void committed(std::span<const Committed> batch) override {
    const std::lock_guard guard(mutex_);
    for (const auto& one : batch) ready_.push_back(one.ticket);
    changed_.notify_one();
  }
  void failed(std::span<const std::uint64_t>, const Error&) override { must(false, "a commit failed"); }

  void run(const std::atomic<bool>& stop) {
    std::size_t under_way = 0;
    while (true) {
      std::vector<std::uint64_t> ready;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !ready_.empty(); });
        ready.swap(ready_);
      }
      const auto now = Clock::now();
      if (started_) {
        for (const auto link : ready) waits_us_.push_back(microseconds(now - begun_[link]));
        under_way -= ready.size();
      }
      started_ = true;
      if (stop && under_way == 0) return;
      if (stop) continue;
      std::vector<Submission> batch;
      for (const auto link : ready) {
        begun_[link] = now;
        batch.push_back(
            {.records = {messages()[next_++ % messages().size()]}, .fences = {}, .sink = this, .ticket = link});
      }
      under_way += batch.size();
      must(journal_.submit(std::move(batch)).has_value(), "submit failed");
    }
  }
  std::vector<double> waits_us_;

 private:
  Journal& journal_;
  std::vector<Clock::time_point> begun_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> ready_;
  bool started_ = false;
  std::size_t next_ = 0;
};

Figure journal_links(const std::string& directory, std::size_t links, CommitMode mode) {
  const auto journal = fresh_journal(directory, mode);
  const std::size_t loops = std::min<std::size_t>(2, links);
  std::vector<std::unique_ptr<LinkLoop>> all;
  for (std::size_t i = 0; i < loops; ++i) all.push_back(std::make_unique<LinkLoop>(*journal, links / loops));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  const auto begun = Clock::now();
  for (auto& loop : all) threads.emplace_back([&] { loop->run(stop); });
  std::this_thread::sleep_for(std::chrono::duration<double>(g_seconds));
  stop = true;
  for (auto& thread : threads) thread.join();
  std::vector<double> waits;
  for (const auto& loop : all) waits.insert(waits.end(), loop->waits_us_.begin(), loop->waits_us_.end());
  return figure(std::move(waits), std::chrono::duration<double>(Clock::now() - begun).count());
}

void print(const char* shape, const char* what, std::size_t under_way, const Figure& result, const Figure& bare) {
  std::printf("%-8s %-9s %3zu under way: %8.0f/s  p50 %7.0f us  p99 %7.0f us  ratio %.2f\n", shape, what, under_way,
              result.per_second, result.p50_us, result.p99_us, result.per_second / bare.per_second);
}

void measure_commits(const std::string& directory) {
  for (const std::size_t under_way : {1u, 16u, 64u}) {
    const auto bare = bare_threads(directory, under_way);
    print("threads", "bare", under_way, bare, bare);
    print("threads", "adaptive", under_way, journal_threads(directory, under_way, CommitMode::kAdaptive), bare);
    print("threads", "thread", under_way, journal_threads(directory, under_way, CommitMode::kThread), bare);
    print("threads", "realtime", under_way, journal_threads(directory, under_way, CommitMode::kRealtimeThread), bare);
  }
  for (const std::size_t under_way : {1u, 16u, 64u}) {
    const auto bare = bare_links(directory, under_way);
    print("links", "bare", under_way, bare, bare);
    print("links", "adaptive", under_way, journal_links(directory, under_way, CommitMode::kAdaptive), bare);
    print("links", "thread", under_way, journal_links(directory, under_way, CommitMode::kThread), bare);
    print("links", "realtime", under_way, journal_links(directory, under_way, CommitMode::kRealtimeThread), bare);
  }
}

std::unique_ptr<SegmentJournal> journal_to_seal(const std::string& directory, int level, std::size_t block_bytes) {
  SegmentJournalOptions options;
  options.directory = directory + "/sealed" + std::to_string(level) + "-" + std::to_string(block_bytes);
  options.maintenance = Maintenance::kByHand;
  options.compression_level = level;
  options.sealed_block_bytes = block_bytes;
  auto opened = open_segment_journal(real_files(), real_clock(), options);
  must(opened.has_value(), "cannot open the journal");
  return std::move(*opened);
}

// Returns the messages' bytes: what a hospital would say it has sent.
std::uint64_t fill(SegmentJournal& journal, std::uint64_t messages) {
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < messages; i += 500) {
    std::vector<Record> records;
    for (std::uint64_t j = i; j < i + 500; ++j) records.push_back(test_message(j));
    for (const auto& record : records) bytes += record.body.size();
    must(journal.append(std::move(records)).has_value(), "append failed");
  }
  must(journal.roll().has_value(), "roll failed");
  return bytes;
}

Figure random_reads(SegmentJournal& journal, std::uint64_t messages) {
  std::vector<double> waits_us;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const auto from = Clock::now();
    must(journal.read(Seq{1 + i * 7919 % messages}, {.records_max = 1}).has_value(), "read failed");
    waits_us.push_back(microseconds(Clock::now() - from));
  }
  return figure(std::move(waits_us), 1);
}

double seconds_to_follow(SegmentJournal& journal, std::uint64_t messages) {
  const auto from = Clock::now();
  for (Seq seq{1}; seq.value <= messages;) {
    const auto entries = journal.read(seq, {.records_max = 1000});
    must(entries.has_value() && !entries->empty(), "read failed");
    seq = next(entries->back().seq);
  }
  return std::chrono::duration<double>(Clock::now() - from).count();
}

void measure_sealing(const std::string& directory, int level, std::size_t block_bytes) {
  constexpr std::uint64_t kMessages = 60'000;
  const auto journal = journal_to_seal(directory, level, block_bytes);
  const auto bytes = static_cast<double>(fill(*journal, kMessages));
  const auto raw_bytes = static_cast<double>(journal->stats().disk_bytes);
  const auto begun = Clock::now();
  while (journal->maintain().value_or(false)) {
  }
  const auto sealing = std::chrono::duration<double>(Clock::now() - begun).count();
  const auto reads = random_reads(*journal, kMessages);
  std::printf(
      "sealed level %2d, blocks %3zu KiB: %.3f of the bytes of messages of %.0f (raw %.2f), sealing %.0f MB/s, one "
      "record p50 %.0f us p99 %.0f us, following %.0f MB/s\n",
      level, block_bytes / kKiB, static_cast<double>(journal->stats().disk_bytes) / bytes,
      bytes / static_cast<double>(kMessages), raw_bytes / bytes, bytes / 1e6 / sealing, reads.p50_us, reads.p99_us,
      bytes / 1e6 / seconds_to_follow(*journal, kMessages));
}

}  // namespace

int main(int argc, char** argv) {
  const TestDirectory temporary;
  const std::string directory = argc > 1 ? argv[1] : temporary.path();
  if (argc > 2) g_seconds = std::atof(argv[2]);
  measure_commits(directory);
  for (const int level : {1, 3, 6, 9, 15}) measure_sealing(directory, level, kSealedBlockBytes);
  for (const std::size_t block_bytes : {64 * kKiB, 256 * kKiB}) {
    measure_sealing(directory, kSealedCompressionLevel, block_bytes);
  }
}
