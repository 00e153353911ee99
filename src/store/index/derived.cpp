#include "store/index/derived.h"

#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <utility>

#include "store/sql/sqlite.h"

namespace minato {
namespace {

// The layout that this file itself writes: the two tables below. Kept in SQLite's user_version.
constexpr std::int64_t kLayoutVersion = 2;

constexpr const char* kOwnTables =
    "CREATE TABLE projection (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE follower (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL,"
    "  kept_until INTEGER NOT NULL);"
    "INSERT INTO follower VALUES (1, 0, 0);";

std::string condemned_path(const std::string& path) { return path + ".condemned"; }

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

SqliteOptions writer_options() { return {.synchronous = SqliteSync::kNormal, .cache_bytes = 48u << 20}; }

// Pages that matter are in the kernel's cache; each reader keeps only the upper levels of the trees for itself.
SqliteOptions reader_options() { return {.cache_bytes = 4u << 20}; }

// auto_vacuum can only be chosen while the file is empty, and in WAL mode it takes effect with a VACUUM.
Status create_tables(Sqlite& db, const std::vector<ProjectionSchema>& projections) {
  MN_CHECK(db.execute("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;"));
  MN_TRY(transaction, db.begin());
  MN_CHECK(db.execute(kOwnTables));
  for (const auto& projection : projections) {
    MN_CHECK(db.execute(projection.sql.c_str()));
    MN_CHECK(db.run("INSERT INTO projection VALUES ($1, $2)", projection.name, projection.version));
  }
  MN_CHECK(db.set_user_version(kLayoutVersion));
  return transaction.commit();
}

// True: the file was made with exactly these projections.
Result<bool> same_schema(Sqlite& db, const std::vector<ProjectionSchema>& projections) {
  MN_TRY(layout, db.user_version());
  if (layout != kLayoutVersion) return false;
  MN_TRY(stored, db.query_integer("SELECT count(*) FROM projection"));
  if (stored != static_cast<std::int64_t>(projections.size())) return false;
  for (const auto& projection : projections) {
    MN_TRY(version, db.query_integer("SELECT version FROM projection WHERE name = $1", projection.name));
    if (version != projection.version) return false;
  }
  return true;
}

// What an existing file is good for. kContinued: use it.
Result<DerivedOrigin> judge(Sqlite& db, const DerivedDatabase::Options& options) {
  auto same = same_schema(db, options.projections);
  if (!same && same.error().code == Errc::kRefused) return DerivedOrigin::kSchemaChanged;  // no such table
  if (!same) return std::unexpected(same.error());
  if (!*same) return DerivedOrigin::kSchemaChanged;
  MN_TRY(position, db.query_integer("SELECT position FROM follower"));
  if (!position) return fail(Errc::kCorrupt, "derived database: no position");
  const Seq applied{static_cast<std::uint64_t>(*position)};
  if (applied > options.journal_last) return DerivedOrigin::kJournalShorter;
  return next(applied) < options.journal_first ? DerivedOrigin::kRecordsPurged : DerivedOrigin::kContinued;
}

struct OpenedFile {
  std::unique_ptr<Sqlite> db;  // null: the file must go first
  DerivedOrigin origin;
};

Result<OpenedFile> open_existing(const DerivedDatabase::Options& options) {
  if (file_exists(condemned_path(options.path))) return OpenedFile{nullptr, DerivedOrigin::kDamaged};
  auto db = Sqlite::open_writer(options.path, writer_options());
  if (!db && db.error().code == Errc::kCorrupt) return OpenedFile{nullptr, DerivedOrigin::kDamaged};
  if (!db) return std::unexpected(db.error());
  auto origin = judge(**db, options);
  if (!origin && origin.error().code == Errc::kCorrupt) return OpenedFile{nullptr, DerivedOrigin::kDamaged};
  if (!origin) return std::unexpected(origin.error());
  if (*origin != DerivedOrigin::kContinued) return OpenedFile{nullptr, *origin};
  return OpenedFile{std::move(*db), *origin};
}

// ---- kept tables: a SQLite file with these tables as they stand in the database, `projection`, and `kept (until)`.

// Another file under the name `other` while this lives.
class Attached {
 public:
  static Result<Attached> attach(Sqlite& db, const std::string& path) {
    MN_CHECK(db.run("ATTACH $1 AS other", path));
    return Attached(db);
  }
  Attached(Attached&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Attached& operator=(Attached&&) = delete;
  ~Attached() {
    if (db_ != nullptr) (void)db_->execute("DETACH other");
  }

 private:
  explicit Attached(Sqlite& db) : db_(&db) {}
  Sqlite* db_;
};

std::unexpected<Error> nothing_kept(const DerivedDatabase::Options& options, const char* why) {
  return fail(Errc::kCorrupt, "derived database: records before " + std::to_string(options.journal_first.value) +
                                  " were purged, and the file of what they made " + why);
}

Status check_kept(Sqlite& db, const DerivedDatabase::Options& options, Seq until) {
  if (next(until) < options.journal_first) return nothing_kept(options, "is older than that");
  if (until > options.journal_last) return nothing_kept(options, "is of a later journal");
  for (const auto& projection : options.projections) {
    if (projection.kept_tables.empty()) continue;
    MN_TRY(version, db.query_integer("SELECT version FROM other.projection WHERE name = $1", projection.name));
    if (version != projection.version) return nothing_kept(options, "was made by another version of the program");
  }
  return {};
}

Status take_kept(Sqlite& db, const DerivedDatabase::Options& options) {
  if (options.kept_path.empty() || !file_exists(options.kept_path)) return nothing_kept(options, "is not there");
  MN_TRY(attached, Attached::attach(db, options.kept_path));
  MN_TRY(until, db.query_integer("SELECT until FROM other.kept"));
  if (!until) return nothing_kept(options, "says no position");
  MN_CHECK(check_kept(db, options, Seq{static_cast<std::uint64_t>(*until)}));
  MN_TRY(transaction, db.begin());
  for (const auto& projection : options.projections) {
    for (const auto& table : projection.kept_tables) {
      MN_CHECK(db.execute(("INSERT INTO main." + table + " SELECT * FROM other." + table).c_str()));
    }
  }
  MN_CHECK(db.run("UPDATE follower SET kept_until = $1", *until));
  return transaction.commit();
}

// Copies the kept tables of the database at `from` into a new file, in one transaction.
Status write_kept(const std::string& from, const std::string& to, const std::vector<ProjectionSchema>& projections) {
  MN_CHECK(Sqlite::remove_file(to));
  MN_TRY(db, Sqlite::open_writer(to, {.synchronous = SqliteSync::kFull}));
  MN_CHECK(db->execute("PRAGMA journal_mode = DELETE"));  // one file, that can be renamed
  MN_TRY(attached, Attached::attach(*db, from));
  // Deferred: begin() would take the write lock of the attached database too, which has its own writer.
  MN_CHECK(db->execute("BEGIN"));
  MN_CHECK(
      db->execute("CREATE TABLE projection AS SELECT * FROM other.projection;"
                  "CREATE TABLE kept AS SELECT position AS until FROM other.follower;"));
  for (const auto& projection : projections) {
    for (const auto& table : projection.kept_tables) {
      MN_CHECK(db->execute(("CREATE TABLE main." + table + " AS SELECT * FROM other." + table).c_str()));
    }
  }
  return db->execute("COMMIT");
}

Status rename_durably(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return fail(Errc::kUnavailable, "derived database: cannot rename the kept file");
  const auto slash = to.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : to.substr(0, slash + 1);
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  return synced ? Status() : fail(Errc::kUnavailable, "derived database: cannot sync the kept file's directory");
}

Result<std::unique_ptr<Sqlite>> create(const DerivedDatabase::Options& options) {
  MN_CHECK(Sqlite::remove_file(options.path));
  ::unlink(condemned_path(options.path).c_str());
  MN_TRY(db, Sqlite::open_writer(options.path, writer_options()));
  MN_CHECK(create_tables(*db, options.projections));
  if (options.journal_first > Seq{1}) {
    // Without what the purged records made, the file must not look like a good one at the next start.
    if (auto taken = take_kept(*db, options); !taken) {
      db.reset();
      (void)Sqlite::remove_file(options.path);
      return std::unexpected(taken.error());
    }
  }
  return db;
}

}  // namespace

std::string_view name(DerivedOrigin origin) {
  switch (origin) {
    case DerivedOrigin::kContinued:
      return "continued";
    case DerivedOrigin::kCreated:
      return "created";
    case DerivedOrigin::kSchemaChanged:
      return "schema-changed";
    case DerivedOrigin::kDamaged:
      return "damaged";
    case DerivedOrigin::kRecordsPurged:
      return "records-purged";
    case DerivedOrigin::kJournalShorter:
      return "journal-shorter";
  }
  return "unknown";
}

struct DerivedDatabase::Pool {
  std::mutex mutex;  // guards what follows
  std::condition_variable freed;
  std::vector<std::unique_ptr<Sqlite>> idle;
  std::size_t open = 0;           // idle or lent
  std::condition_variable moved;  // the position, which is set under the mutex so that no waiter misses it
};

DerivedDatabase::Reader::Reader(DerivedDatabase* owner, std::unique_ptr<Sqlite> connection)
    : owner_(owner), connection_(std::move(connection)) {}
DerivedDatabase::Reader::Reader(Reader&&) noexcept = default;
DerivedDatabase::Reader::~Reader() {
  if (connection_) owner_->give_back(std::move(connection_));
}

Result<std::unique_ptr<DerivedDatabase>> DerivedDatabase::open(Options options) {
  OpenedFile file{nullptr, DerivedOrigin::kCreated};
  if (file_exists(options.path) || file_exists(condemned_path(options.path))) {
    MN_TRY(existing, open_existing(options));
    file = std::move(existing);
  }
  if (!file.db) {
    MN_TRY(db, create(options));
    file.db = std::move(db);
  }
  MN_TRY(position, stored_position(*file.db));
  return std::unique_ptr<DerivedDatabase>(
      new DerivedDatabase(std::move(options), std::move(file.db), file.origin, position));
}

Result<DerivedDatabase::Position> DerivedDatabase::stored_position(Sqlite& db) {
  MN_TRY(rows, db.query("SELECT position, kept_until FROM follower"));
  MN_TRY(found, rows.step());
  if (!found) return fail(Errc::kCorrupt, "derived database: no position");
  return Position{rows.seq(0), rows.seq(1)};
}

DerivedDatabase::DerivedDatabase(Options options, std::unique_ptr<Sqlite> writer, DerivedOrigin origin,
                                 Position position)
    : options_(std::move(options)),
      origin_(origin),
      writer_(std::move(writer)),
      position_(position.position.value),
      kept_until_(position.kept_until),
      pool_(std::make_unique<Pool>()) {}

// Readers first: the writer's connection is the one that checkpoints when it closes.
DerivedDatabase::~DerivedDatabase() {
  if (in_batch_) rollback();
  pool_->idle.clear();
}

void DerivedDatabase::enlist(BatchParticipant& participant) { participants_.push_back(&participant); }

Status DerivedDatabase::begin() {
  if (in_batch_) return fail(Errc::kRefused, "derived database: a batch is running");
  MN_CHECK(writer_->run("BEGIN IMMEDIATE"));
  in_batch_ = true;
  return {};
}

Status DerivedDatabase::commit(Seq position) {
  if (!in_batch_) return fail(Errc::kRefused, "derived database: no batch is running");
  Status status;
  for (auto* participant : participants_) {
    if (status) status = participant->flush();
  }
  if (status) status = writer_->run("UPDATE follower SET position = $1", position);
  if (status) status = writer_->run("COMMIT");
  if (!status) {
    rollback();
    return status;
  }
  in_batch_ = false;
  {
    const std::lock_guard lock(pool_->mutex);
    position_.store(position.value, std::memory_order_release);
  }
  pool_->moved.notify_all();
  return {};
}

void DerivedDatabase::rollback() {
  if (!in_batch_) return;
  // After some errors SQLite has rolled back by itself, and this one fails: the state is the same.
  (void)writer_->run("ROLLBACK");
  in_batch_ = false;
  for (auto* participant : participants_) participant->forget();
}

Seq DerivedDatabase::wait_for(Seq at_least, Deadline deadline) {
  std::unique_lock lock(pool_->mutex);
  pool_->moved.wait_until(lock, deadline, [&] { return position() >= at_least; });
  return position();
}

Result<DerivedDatabase::Reader> DerivedDatabase::reader(Deadline deadline) {
  std::unique_lock lock(pool_->mutex);
  const auto available = [&] { return !pool_->idle.empty() || pool_->open < options_.readers_max; };
  if (!pool_->freed.wait_until(lock, deadline, available)) {
    return fail(Errc::kUnavailable, "derived database: all reading connections are in use");
  }
  if (!pool_->idle.empty()) {
    auto connection = std::move(pool_->idle.back());
    pool_->idle.pop_back();
    return Reader(this, std::move(connection));
  }
  ++pool_->open;
  lock.unlock();
  auto connection = Sqlite::open_reader(options_.path, reader_options());
  if (connection) return Reader(this, std::move(*connection));
  lock.lock();
  --pool_->open;
  pool_->freed.notify_one();
  return std::unexpected(connection.error());
}

void DerivedDatabase::give_back(std::unique_ptr<Sqlite> connection) {
  {
    const std::lock_guard lock(pool_->mutex);
    pool_->idle.push_back(std::move(connection));
  }
  pool_->freed.notify_one();
}

Result<std::uint64_t> DerivedDatabase::release_space(std::uint64_t pages_max) {
  if (in_batch_) return fail(Errc::kRefused, "derived database: a batch is running");
  MN_CHECK(writer_->execute(("PRAGMA incremental_vacuum(" + std::to_string(pages_max) + ")").c_str()));
  // Only a checkpoint cuts the file. A reader in the way is no fault: the next one does it.
  if (auto status = writer_->checkpoint(); !status && status.error().code != Errc::kRetry) {
    return std::unexpected(status.error());
  }
  MN_TRY(left, writer_->query_integer("PRAGMA freelist_count"));
  return static_cast<std::uint64_t>(left.value_or(0));
}

Status DerivedDatabase::keep() {
  if (options_.kept_path.empty()) return fail(Errc::kRefused, "derived database: no path for what is kept");
  const std::string unfinished = options_.kept_path + ".new";
  MN_CHECK(write_kept(options_.path, unfinished, options_.projections));
  return rename_durably(unfinished, options_.kept_path);
}

Status DerivedDatabase::condemn() {
  const int descriptor = ::open(condemned_path(options_.path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return fail(Errc::kUnavailable, "derived database: cannot mark the file as damaged");
  ::fsync(descriptor);
  ::close(descriptor);
  return {};
}

Result<bool> DerivedDatabase::intact(Deadline deadline) {
  MN_TRY(lent, reader(deadline));
  auto status = lent.database().integrity_check();
  if (status) return true;
  if (status.error().code == Errc::kCorrupt) return false;
  return std::unexpected(status.error());
}

}  // namespace minato
