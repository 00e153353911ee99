// The journal in files of its own: append-only segments, one fdatasync shared by all that waits, sealed segments
// compressed and hashed. Bytes: docs/formats/journal.md. Directory: segment_files.h.
//
//   MN_TRY(journal, open_segment_journal(real_files(), real_clock(), {.directory = data + "/journal"}));
//   MN_TRY(seq, journal->append(std::move(records)));
//
// A full segment is sealed: an own thread compresses it, checks the result by reading it back, and puts it in place of
// the raw one. When space runs low (space_low_bytes), appends are refused with kUnavailable until there is room again;
// should the disk be full all the same, what was half written is taken back.
#pragma once

#include "os/clock.h"
#include "os/files.h"
#include "store/journal/journal.h"
#include "store/journal/journal_events.h"
#include "store/journal/segment_files.h"

namespace minato {

enum class Maintenance : std::uint8_t { kOwnThread, kByHand };  // kByHand: simulation and tools call maintain()

struct SegmentJournalOptions {
  std::string directory;
  CommitMode commit_mode = CommitMode::kAdaptive;
  Maintenance maintenance = Maintenance::kOwnThread;  // kByHand: no thread at all, commits included
  std::uint64_t segment_bytes = kSegmentBytes;
  std::uint64_t zero_ahead_bytes = kJournalZeroAheadBytes;
  std::size_t group_bytes_max = kJournalGroupBytesMax;
  std::size_t pending_bytes_max = kJournalPendingBytesMax;
  std::uint64_t space_low_bytes = kJournalLowSpaceBytes;
  std::size_t sealed_block_bytes = kSealedBlockBytes;
  int compression_level = kSealedCompressionLevel;
  Random* random = nullptr;  // for the segments' marks; the operating system's when null
  JournalEvents events = {};
};

struct VerifyReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::vector<std::string> problems;  // empty: every byte is what was written
};

struct BackupReport {
  Seq first, last;  // what it holds; last < first when the journal is empty
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

class SegmentJournal : public Journal {
 public:
  // What the start found.
  virtual const RecoveryReport& recovery() const = 0;
  // Closes the active segment so that it is sealed too. Nothing happens when it is empty.
  virtual Status roll() = 0;
  // One unit of maintenance: seals the oldest raw segment that is full. True when there may be more to do.
  virtual Result<bool> maintain() = 0;
  // Reads every byte that is durable now. Appends go on meanwhile.
  virtual VerifyReport verify() = 0;
  // Copies everything that is durable now into `directory` of `to`, which must be absent or empty, with a manifest of
  // SHA-256 digests; durable when this returns. Appends go on meanwhile. See backup.h for the way back.
  virtual Result<BackupReport> backup(Files& to, const std::string& directory) = 0;
};

// kConflict: another process has the directory. kCorrupt: rot, with its place. kRefused: a newer format.
Result<std::unique_ptr<SegmentJournal>> open_segment_journal(Files& files, Clock& clock, SegmentJournalOptions options);

}  // namespace minato
