// The append-only journal: the truth that all other state is derived from.
//
//   MN_TRY(seq, journal.append({&record, 1}));      // durable when this returns
//   MN_TRY(batch, journal.read(Seq{1}, {.records_max = 1000}));
//
// Sequences are 1, 2, 3 … without gaps, in commit order. A reader sees only durable records, and sees them in that
// order. After any write error the journal refuses every later append (kCorrupt): the process is expected to stop, and
// recovery judges what is there. Implementations: SegmentJournal (files), PostgresJournal, and SegmentJournal on
// os/sim's files; one conformance suite runs on all.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/journal/record.h"

namespace minato {

// Told of each commit, once for all of the sink's tickets in it, in the order of submission. Runs on the thread that
// committed (which may be the one inside submit()): it must not block and must not call the journal.
class CommitSink {
 public:
  struct Committed {
    std::uint64_t ticket = 0;
    Seq seq;  // of the ticket's first record
  };
  virtual ~CommitSink() = default;
  virtual void committed(std::span<const Committed> batch) = 0;
  // kUnavailable, kConflict: the records of these tickets are not durable and never will be. kCorrupt: the journal has
  // failed for good, and only the next start will tell whether they are there; the peer is owed no answer, not even
  // a negative one. Called once or more for a commit.
  virtual void failed(std::span<const std::uint64_t> tickets, const Error& error) = 0;
};

struct Submission {
  std::vector<Record> records;  // stand side by side, all or none
  std::vector<Fence> fences;    // kConflict for all of them when a lease was lost
  CommitSink* sink = nullptr;   // outlives the commit
  std::uint64_t ticket = 0;     // the caller's own
};

struct ReadLimits {
  std::size_t records_max = 1000;
  std::size_t bytes_max = 16u << 20;  // at least one record is returned, whatever its size
};

struct JournalStats {
  Seq first;  // oldest record still kept; last + 1 when empty
  Seq last;   // newest durable record; 0 when empty
  std::uint64_t disk_bytes = 0;
  std::uint64_t commits = 0;  // groups committed since start
  std::uint64_t records = 0;  // records committed since start
};

class Journal {
 public:
  virtual ~Journal() = default;

  // Queues the submissions for the next commit and returns at once, or commits them on this very thread when no commit
  // is running (one pending frame needs no hand-over). kUnavailable: kJournalPendingBytesMax is waiting, or the journal
  // is closed.
  virtual Status submit(std::vector<Submission> batch) = 0;

  // Blocks until the records are durable. Returns the sequence of the first; the others follow it. Errors as those of
  // CommitSink::failed.
  virtual Result<Seq> append(std::vector<Record> records, std::vector<Fence> fences = {}) = 0;

  // Records from `from` on, in order; empty when there is none yet. kNotFound: `from` was purged. kCorrupt: rot in what
  // was acknowledged, named with its place; never skipped silently.
  virtual Result<std::vector<Entry>> read(Seq from, ReadLimits limits) = 0;

  // Waits until a record after `seen` is durable, the deadline passes or the journal is closed; returns the last
  // durable sequence.
  virtual Seq wait_past(Seq seen, Deadline deadline) = 0;

  // Removes records up to and including `through` as far as whole segments (files) or rows (PostgreSQL) allow, and
  // gives the space back to the file system at once. Returns the last sequence that is gone. kRetry: a backup runs.
  virtual Result<Seq> purge(Seq through) = 0;

  virtual JournalStats stats() const = 0;

  // Commits what waits, refuses what comes, seals nothing. Idempotent.
  virtual void close() = 0;
};

}  // namespace minato
