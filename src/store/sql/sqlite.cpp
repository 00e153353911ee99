#include "store/sql/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <set>

namespace minato {
namespace {

// More distinct texts than this mean that somebody pastes values into SQL; from here on statements are not kept.
constexpr std::size_t kStatementsKeptMax = 256;

Errc class_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL:
      return Errc::kRetry;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return Errc::kCorrupt;
    case SQLITE_CONSTRAINT:
      return Errc::kConflict;
    case SQLITE_TOOBIG:
      return Errc::kTooLarge;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Errc::kUnavailable;
    default:
      return Errc::kRefused;
  }
}

// SQLite's own message is left out: for a constraint or a malformed JSON it may quote what was stored. Its messages for
// SQL that does not compile name only identifiers, and without them such a mistake is hard to find.
std::unexpected<Error> failed(const char* call, int code, const char* detail = nullptr) {
  std::string what = std::string("sqlite ") + call + ": " + sqlite3_errstr(code) + " (" + std::to_string(code) + ")";
  if (detail != nullptr) what.append(": ").append(detail);
  return fail(class_of(code), std::move(what));
}

// Which files have a writer in this process, by their full path.
class Writers {
 public:
  bool take(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return open_.insert(path).second;
  }
  void give_back(const std::string& path) {
    const std::lock_guard lock(mutex_);
    open_.erase(path);
  }
  bool has(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return open_.contains(path);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> open_;
};

Writers& writers() {
  static Writers the_writers;
  return the_writers;
}

// The directory's real path and the name, so that two spellings of one file are one.
std::string full_path(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  char* real = ::realpath(directory.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string full = std::string(real) + "/" + name;
  std::free(real);
  return full;
}

bool in_memory(const std::string& path) { return path == ":memory:"; }

std::string pragma(const char* name, std::size_t value) {
  return std::string("PRAGMA ") + name + " = " + std::to_string(value) + ";";
}

}  // namespace

SqliteRows& SqliteRows::operator=(SqliteRows&& other) noexcept {
  if (this != &other) {
    give_back();
    statement_ = std::exchange(other.statement_, nullptr);
    busy_ = std::exchange(other.busy_, nullptr);
  }
  return *this;
}

SqliteRows::~SqliteRows() { give_back(); }

void SqliteRows::give_back() {
  if (statement_ == nullptr) return;
  if (busy_ == nullptr) {
    sqlite3_finalize(statement_);
  } else {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    *busy_ = false;
  }
  statement_ = nullptr;
}

Result<bool> SqliteRows::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failed("step", sqlite3_extended_errcode(sqlite3_db_handle(statement_)));
}

int SqliteRows::columns() const { return sqlite3_column_count(statement_); }

bool SqliteRows::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::int64_t SqliteRows::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double SqliteRows::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view SqliteRows::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes == nullptr ? std::string_view()
                          : std::string_view(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::string_view SqliteRows::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? std::string_view()
                          : std::string_view(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::optional<Time> SqliteRows::optional_time(int column) const {
  return is_null(column) ? std::optional<Time>() : std::optional<Time>(time(column));
}

SqliteTransaction::~SqliteTransaction() {
  // A failed statement may have ended the transaction already; then there is nothing to roll back.
  if (db_ != nullptr && sqlite3_get_autocommit(db_->handle_) == 0) (void)db_->run("ROLLBACK");
}

Status SqliteTransaction::commit() {
  if (db_ == nullptr) return fail(Errc::kRefused, "sqlite: committed twice");
  // On failure the destructor rolls back.
  MN_CHECK(db_->run("COMMIT"));
  db_ = nullptr;
  return {};
}

Result<std::unique_ptr<Sqlite>> Sqlite::open(const std::string& path, int flags, std::string writer_of) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  // The object is made in any case: its destructor closes the handle and gives the writer's place back.
  std::unique_ptr<Sqlite> db(new Sqlite(handle, std::move(writer_of)));
  if (code != SQLITE_OK) return failed("open", code);
  return db;
}

Result<std::unique_ptr<Sqlite>> Sqlite::open_writer(const std::string& path, const SqliteOptions& options) {
  std::string writer_of;
  if (!in_memory(path)) {
    writer_of = full_path(path);
    if (!writers().take(writer_of)) return fail(Errc::kConflict, "sqlite: the file has a writer already");
  }
  MN_TRY(db, open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, std::move(writer_of)));
  if (!in_memory(path)) ::chmod(path.c_str(), S_IRUSR | S_IWUSR);
  MN_CHECK(db->configure_writer(options));
  return db;
}

Result<std::unique_ptr<Sqlite>> Sqlite::open_reader(const std::string& path, const SqliteOptions& options) {
  if (::access(path.c_str(), F_OK) != 0) return fail(Errc::kNotFound, "sqlite: no such file");
  MN_TRY(db, open(path, SQLITE_OPEN_READONLY, {}));
  MN_CHECK(db->configure_reader(options));
  return db;
}

Status Sqlite::remove_file(const std::string& path) {
  if (writers().has(full_path(path))) return fail(Errc::kConflict, "sqlite: the file has a writer");
  // The log first: if we are killed in between, the file alone is an older state, and that is a good one.
  for (const char* suffix : {"-wal", "-shm", ""}) {
    if (::unlink((path + suffix).c_str()) != 0 && errno != ENOENT) {
      return fail(Errc::kUnavailable, "sqlite: cannot remove the file");
    }
  }
  return {};
}

Sqlite::~Sqlite() {
  for (auto& [sql, prepared] : cache_) sqlite3_finalize(prepared.statement);
  sqlite3_close(handle_);
  if (!writer_of_.empty()) writers().give_back(writer_of_);
}

Status Sqlite::configure_writer(const SqliteOptions& options) {
  sqlite3_busy_timeout(handle_, static_cast<int>(options.busy_timeout.count()));
  const std::string sql = "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;" +
                          pragma("synchronous", static_cast<std::size_t>(options.synchronous)) +
                          // Negative: kibibytes, not pages.
                          "PRAGMA cache_size = -" + std::to_string(options.cache_bytes / 1024) + ";" +
                          pragma("mmap_size", options.mapped_bytes) +
                          pragma("wal_autocheckpoint", options.checkpoint_pages);
  MN_CHECK(execute(sql.c_str()));
  // Keeps the log's file from staying as large as the largest transaction made it.
  return execute("PRAGMA journal_size_limit = 67108864;");
}

Status Sqlite::configure_reader(const SqliteOptions& options) {
  sqlite3_busy_timeout(handle_, static_cast<int>(options.busy_timeout.count()));
  // The last connection to close would checkpoint; only the writer may.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const std::string sql =
      "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -" +
      std::to_string(options.cache_bytes / 1024) + ";" + pragma("mmap_size", options.mapped_bytes);
  return execute(sql.c_str());
}

Status Sqlite::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  return failed("execute", code, code == SQLITE_ERROR ? sqlite3_errmsg(handle_) : nullptr);
}

Result<sqlite3_stmt*> Sqlite::compile(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, &rest);
  if (code != SQLITE_OK) return failed("prepare", code, code == SQLITE_ERROR ? sqlite3_errmsg(handle_) : nullptr);
  if (statement == nullptr) return fail(Errc::kRefused, "sqlite: an empty statement");
  if (std::string_view(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest)).find_first_not_of(" \n;") !=
      std::string_view::npos) {
    sqlite3_finalize(statement);
    return fail(Errc::kRefused, "sqlite: more than one statement");
  }
  return statement;
}

Result<SqliteRows> Sqlite::prepare(std::string_view sql) {
  const auto found = cache_.find(sql);
  if (found != cache_.end() && !found->second.busy) {
    found->second.busy = true;
    return SqliteRows(found->second.statement, &found->second.busy);
  }
  MN_TRY(statement, compile(sql));
  // In use a second time (a query inside a query of the same text), or too many: this one is for now only.
  if (found != cache_.end() || cache_.size() >= kStatementsKeptMax) return SqliteRows(statement, nullptr);
  auto& kept = cache_.emplace(std::string(sql), Prepared{statement, true}).first->second;
  return SqliteRows(kept.statement, &kept.busy);
}

int Sqlite::parameter_count(const SqliteRows& rows) { return sqlite3_bind_parameter_count(rows.statement_); }

namespace {
Status bound(int code) {
  if (code != SQLITE_OK) return failed("bind", code);
  return {};
}
}  // namespace

Status Sqlite::bind(SqliteRows& rows, int index, std::int64_t value) {
  return bound(sqlite3_bind_int64(rows.statement_, index, value));
}

Status Sqlite::bind(SqliteRows& rows, int index, double value) {
  return bound(sqlite3_bind_double(rows.statement_, index, value));
}

Status Sqlite::bind(SqliteRows& rows, int index, std::nullopt_t) {
  return bound(sqlite3_bind_null(rows.statement_, index));
}

Status Sqlite::bind(SqliteRows& rows, int index, std::string_view text, Lifetime lifetime) {
  // A null pointer would bind NULL; an empty text is not NULL.
  const char* bytes = text.data() == nullptr ? "" : text.data();
  return bound(sqlite3_bind_text64(rows.statement_, index, bytes, text.size(),
                                   lifetime == Lifetime::kCopied ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8));
}

Status Sqlite::bind(SqliteRows& rows, int index, SqliteBlob blob, Lifetime lifetime) {
  const char* bytes = blob.bytes.data() == nullptr ? "" : blob.bytes.data();
  return bound(sqlite3_bind_blob64(rows.statement_, index, bytes, blob.bytes.size(),
                                   lifetime == Lifetime::kCopied ? SQLITE_TRANSIENT : SQLITE_STATIC));
}

Status Sqlite::finish(SqliteRows& rows) {
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return {};
  }
}

Result<SqliteTransaction> Sqlite::begin() {
  MN_CHECK(run(sqlite3_db_readonly(handle_, "main") == 1 ? "BEGIN" : "BEGIN IMMEDIATE"));
  return SqliteTransaction(this);
}

std::int64_t Sqlite::changed_rows() const { return sqlite3_changes64(handle_); }

std::int64_t Sqlite::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }

Result<std::int64_t> Sqlite::user_version() {
  MN_TRY(version, query_integer("PRAGMA user_version"));
  return version.value_or(0);
}

Status Sqlite::set_user_version(std::int64_t version) {
  return execute(("PRAGMA user_version = " + std::to_string(version)).c_str());
}

Status Sqlite::integrity_check() {
  MN_TRY(rows, query("PRAGMA integrity_check(1)"));
  MN_TRY(found, rows.step());
  // The text names tables and pages, and may name a row by its key: it stays out of the error.
  if (!found || rows.text(0) != "ok") return fail(Errc::kCorrupt, "sqlite: the integrity check found damage");
  return {};
}

Status Sqlite::checkpoint() {
  MN_TRY(rows, query("PRAGMA wal_checkpoint(TRUNCATE)"));
  MN_TRY(found, rows.step());
  if (found && rows.integer(0) != 0) return fail(Errc::kRetry, "sqlite: a reader holds the log");
  return {};
}

Status Sqlite::vacuum() { return execute("VACUUM"); }

}  // namespace minato
