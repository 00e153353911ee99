// A journal in memory for tests: commits at once, or when it is told to, or fails as it is told.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/journal/journal.h"

namespace minato {

class TestJournal final : public Journal {
 public:
  enum class Mode : std::uint8_t { kCommitAtOnce, kHold };

  void set_mode(Mode mode) {
    const std::lock_guard lock(mutex_);
    mode_ = mode;
  }
  // Every later submission is refused.
  void refuse(Error error) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(error);
  }
  void accept_again() {
    const std::lock_guard lock(mutex_);
    refusal_.reset();
  }
  void commit_held() { settle(take_held(), std::nullopt); }
  void fail_held(const Error& error) { settle(take_held(), error); }
  std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  std::vector<Entry> entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }
  std::vector<Entry> entries_of(RecordKind kind) const {
    auto all = entries();
    std::erase_if(all, [&](const Entry& entry) { return entry.record.kind != kind; });
    return all;
  }
  std::size_t submissions() const {
    const std::lock_guard lock(mutex_);
    return submit_calls_;
  }

  Status submit(std::vector<Submission> batch) override {
    {
      const std::lock_guard lock(mutex_);
      ++submit_calls_;
      if (refusal_) return std::unexpected(*refusal_);
      if (mode_ == Mode::kHold) {
        std::ranges::move(batch, std::back_inserter(held_));
        return {};
      }
    }
    settle(std::move(batch), std::nullopt);
    return {};
  }

  Result<Seq> append(std::vector<Record> records, std::vector<Fence>) override {
    const std::lock_guard lock(mutex_);
    return store(std::move(records));
  }

  Result<std::vector<Entry>> read(Seq from, ReadLimits limits) override {
    const std::lock_guard lock(mutex_);
    std::vector<Entry> out;
    for (std::size_t i = from.value - 1; i < entries_.size() && out.size() < limits.records_max; ++i)
      out.push_back(entries_[i]);
    return out;
  }

  Seq wait_past(Seq, Deadline) override { return stats().last; }
  Result<Seq> purge(Seq) override { return fail(Errc::kRefused, "not here"); }
  JournalStats stats() const override {
    const std::lock_guard lock(mutex_);
    JournalStats stats;
    stats.first = Seq{1};
    stats.last = Seq{entries_.size()};
    return stats;
  }
  void close() override {}

 private:
  std::vector<Submission> take_held() {
    const std::lock_guard lock(mutex_);
    return std::exchange(held_, {});
  }

  Seq store(std::vector<Record> records) {
    const Seq first{entries_.size() + 1};
    for (Record& record : records) entries_.push_back({Seq{entries_.size() + 1}, std::move(record)});
    return first;
  }

  void settle(std::vector<Submission> batch, const std::optional<Error>& error) {
    std::vector<std::pair<CommitSink*, CommitSink::Committed>> done;
    for (Submission& submission : batch) {
      const std::lock_guard lock(mutex_);
      const Seq seq = error ? Seq{} : store(std::move(submission.records));
      if (submission.sink != nullptr) done.push_back({submission.sink, {submission.ticket, seq}});
    }
    while (!done.empty()) {
      CommitSink* const sink = done.front().first;
      std::vector<CommitSink::Committed> committed;
      std::vector<std::uint64_t> tickets;
      for (const auto& [whose, commit] : done) {
        if (whose != sink) continue;
        committed.push_back(commit);
        tickets.push_back(commit.ticket);
      }
      std::erase_if(done, [&](const auto& one) { return one.first == sink; });
      if (error) sink->failed(tickets, *error);
      if (!error) sink->committed(committed);
    }
  }

  mutable std::mutex mutex_;
  Mode mode_ = Mode::kCommitAtOnce;
  std::optional<Error> refusal_;
  std::vector<Submission> held_;
  std::vector<Entry> entries_;
  std::size_t submit_calls_ = 0;
};

}  // namespace minato
