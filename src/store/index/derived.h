// derived.db: one SQLite file for all that is derived from the journal and asked for: the message index, the
// registries, the ledger of effects. It is written by one thread (the follower) in batches, each with the position that
// it reaches in the journal:
//
//   MN_TRY(derived, DerivedDatabase::open(options));
//   MN_CHECK(derived->begin());
//   …apply the records after derived->position() to derived->writer()…
//   MN_CHECK(derived->commit(last));          // rows and position, or neither
//
//   MN_TRY(reader, derived->reader(deadline));   // any other thread
//   MessageSearch(reader.database()).search(filter, {}, 50);
//
// A commit is not fsynced for each batch (WAL, synchronous=NORMAL): a power cut loses the last batches, never half of
// one, and the follower applies them again. A file that cannot be used (another schema version, damage, a position that
// the journal does not reach) is deleted and starts empty at position 0: the journal is the truth.
//
// A purge removes records whose consequences must stay: who a patient is, who was told what. So before records go,
// keep() writes the kept tables of all projections to a file of their own. A database that must be made anew while the
// journal no longer begins with record 1 takes these tables over; the follower then applies every record that is left
// to the other projections, and to the kept ones only those after kept_until().
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/index/projection.h"

namespace minato {

class Sqlite;

enum class DerivedOrigin : std::uint8_t {
  kContinued,       // the file was there and is used
  kCreated,         // there was none
  kSchemaChanged,   // deleted: made by another version
  kDamaged,         // deleted: SQLite could not read it, or it was condemned
  kRecordsPurged,   // deleted: records after its position are gone
  kJournalShorter,  // deleted: it had applied records that this journal does not hold (a restored or another journal)
};
std::string_view name(DerivedOrigin origin);

class DerivedDatabase {
 public:
  struct Options {
    std::string path;  // its directory exists
    std::vector<ProjectionSchema> projections;
    Seq journal_last = {};       // newest durable record
    Seq journal_first{1};        // oldest record that was not purged
    std::string kept_path = {};  // where keep() writes; needed when anything may be purged
    std::size_t readers_max = 8;
  };

  // A connection for reading, from the pool. Sees the state of some commit; a transaction on it sees one state
  // throughout.
  class Reader {
   public:
    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) = delete;
    ~Reader();
    Sqlite& database() { return *connection_; }

   private:
    friend class DerivedDatabase;
    Reader(DerivedDatabase* owner, std::unique_ptr<Sqlite> connection);
    DerivedDatabase* owner_;
    std::unique_ptr<Sqlite> connection_;
  };

  // kUnavailable: the directory cannot be written, or another process holds the file. kCorrupt: the file must be made
  // anew, records were purged, and `kept_path` does not hold what they made: only a backup helps.
  static Result<std::unique_ptr<DerivedDatabase>> open(Options options);
  ~DerivedDatabase();
  DerivedDatabase(const DerivedDatabase&) = delete;
  DerivedDatabase& operator=(const DerivedDatabase&) = delete;

  DerivedOrigin origin() const { return origin_; }

  // The writing side belongs to one thread. Participants are asked in the order in which they enlisted and outlive the
  // last commit.
  void enlist(BatchParticipant& participant);
  Status begin();
  // Durable soon, visible to readers at once. After an error the batch was rolled back.
  Status commit(Seq position);
  void rollback();
  Sqlite& writer() { return *writer_; }

  // The last record that is applied and committed. Any thread.
  Seq position() const { return Seq{position_.load(std::memory_order_acquire)}; }
  // Waits until `position() >= at_least` or the deadline passes; returns the position. Any thread.
  Seq wait_for(Seq at_least, Deadline deadline);

  // Waits for a free connection while all `readers_max` are in use; kUnavailable when the deadline passes. Any thread.
  Result<Reader> reader(Deadline deadline);

  // Gives up to `pages_max` free pages back to the file system; outside a batch. Returns how many are still free.
  Result<std::uint64_t> release_space(std::uint64_t pages_max);

  // Writes the kept tables, as of the last commit, to `kept_path`: durable when this returns, the older file stays
  // until then. Call it before records up to `position()` are purged. Any thread, one at a time.
  Status keep();
  // Records up to here have been applied to the kept tables already, by way of a kept file.
  Seq kept_until() const { return kept_until_; }

  // Marks the file as unusable, so that the next open() deletes it. For whoever met kCorrupt. Any thread.
  Status condemn();
  // Reads the whole file on a reading connection: false when the file is damaged. Seconds on a large file.
  Result<bool> intact(Deadline deadline);

 private:
  struct Pool;
  struct Position {
    Seq position = {}, kept_until = {};
  };
  static Result<Position> stored_position(Sqlite& db);
  DerivedDatabase(Options options, std::unique_ptr<Sqlite> writer, DerivedOrigin origin, Position position);
  void give_back(std::unique_ptr<Sqlite> connection);

  Options options_;
  DerivedOrigin origin_;
  std::unique_ptr<Sqlite> writer_;
  std::vector<BatchParticipant*> participants_;
  std::atomic<std::uint64_t> position_;
  Seq kept_until_;
  bool in_batch_ = false;
  std::unique_ptr<Pool> pool_;
};

}  // namespace minato
