// One SQLite database file, spoken to from C++: a connection that closes itself, prepared statements that are kept, and
// errors that say what the caller does.
//
//   MN_TRY(db, Sqlite::open_writer(dir + "/index.db", {}));
//   MN_TRY(transaction, db->begin());
//   MN_CHECK(db->run("INSERT INTO note (id, text) VALUES ($1, $2)", seq, text));
//   MN_CHECK(transaction.commit());
//
//   MN_TRY(rows, db->query("SELECT id, text FROM note WHERE id > $1 ORDER BY id", after));
//   while (true) {
//     MN_TRY(more, rows.step());
//     if (!more) break;
//     use(rows.integer(0), rows.text(1));
//   }
//
// One writer. Debian's SQLite 3.40.1 has the WAL-reset bug (two connections that write or checkpoint at once may
// corrupt the file), so exactly one connection of the whole system writes and checkpoints a file: open_writer refuses a
// second one in this process (kConflict), the data directory's lock file refuses a second process, and readers neither
// write nor checkpoint, not even when they close. Open the writer first and close it last.
//
// Threads: a connection, with its statements and transactions, is used by one thread at a time; the owner's mutex sees
// to it. Different connections may be used at once.
//
// Durable: see SqliteSync. Errors of every call: kCorrupt (the file is not what was written, or not a database: alarm),
// kRetry (locked for longer than the time-out), kUnavailable (disk full, I/O error, out of memory), kConflict (a
// constraint), kTooLarge (a value over SQLite's limit), kRefused (our mistake: bad SQL, wrong parameter). Texts name
// the call and SQLite's code, never a value.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace minato {

enum class SqliteSync : std::uint8_t {
  kOff,     // never fsynced: a power cut may leave a corrupt file
  kNormal,  // fsynced at checkpoints: a power cut loses the last transactions but leaves a good file
  kFull,    // fsynced at each commit: what commit() reported survives a power cut
};

struct SqliteOptions {
  SqliteSync synchronous = SqliteSync::kNormal;
  std::chrono::milliseconds busy_timeout{5000};
  std::size_t cache_bytes = 64u << 20;
  std::size_t mapped_bytes = 0;         // how much of the file is read through mmap
  std::size_t checkpoint_pages = 4000;  // the write-ahead log is carried over when it has this many pages (4 KiB each)
};

// Bytes, where a string_view would be text.
struct SqliteBlob {
  std::string_view bytes;
};

// A prepared statement in use. It goes back to its connection's cache, reset, when this dies. The values that it
// returns as views live until the next step() or its end.
class SqliteRows {
 public:
  SqliteRows(SqliteRows&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), busy_(std::exchange(other.busy_, nullptr)) {}
  SqliteRows& operator=(SqliteRows&& other) noexcept;
  SqliteRows(const SqliteRows&) = delete;
  SqliteRows& operator=(const SqliteRows&) = delete;
  ~SqliteRows();

  // True: a row is there to be read. False: done.
  Result<bool> step();

  // Columns from 0. Numbers of an absent value are 0, its text and bytes are empty.
  int columns() const;
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::uint64_t natural(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  double real(int column) const;
  std::string_view text(int column) const;
  std::string_view blob(int column) const;
  Time time(int column) const { return from_micros(integer(column)); }
  std::optional<Time> optional_time(int column) const;
  Seq seq(int column) const { return Seq{natural(column)}; }

 private:
  friend class Sqlite;
  SqliteRows(sqlite3_stmt* statement, bool* busy) : statement_(statement), busy_(busy) {}
  void give_back();
  sqlite3_stmt* statement_;
  bool* busy_;  // the cache's mark; nullptr: the statement is not the cache's, and is finalised
};

// Rolls back when it dies without commit().
class SqliteTransaction {
 public:
  SqliteTransaction(SqliteTransaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();
  Status commit();

 private:
  friend class Sqlite;
  explicit SqliteTransaction(class Sqlite* db) : db_(db) {}
  class Sqlite* db_;
};

class Sqlite {
 public:
  // Opens or creates the file (mode 0600) in WAL mode with foreign keys on. kConflict: this process has a writer for
  // the file already. ":memory:" is a database of its own that vanishes with the connection.
  static Result<std::unique_ptr<Sqlite>> open_writer(const std::string& path, const SqliteOptions& options);
  // A connection that cannot write or checkpoint. kNotFound: no such file.
  static Result<std::unique_ptr<Sqlite>> open_reader(const std::string& path, const SqliteOptions& options);
  // Deletes the database with its log and shared memory, for projections that are built anew. kConflict: a writer is
  // open in this process.
  static Status remove_file(const std::string& path);

  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite();

  // Any number of statements without parameters and results: schema and pragmas. Not kept.
  Status execute(const char* sql);

  // One statement, its parameters ($1, $2 … in this order) bound, run to its end, no result read. Parameters are
  // integers, enums of integers, double, text (string_view and what becomes one), SqliteBlob, Time, Seq, nullopt, and
  // optional of these. Nothing is allocated once the statement is in the cache.
  template <typename... Parameters>
  Status run(std::string_view sql, const Parameters&... parameters) {
    MN_TRY(rows, prepare(sql));
    MN_CHECK(bind_all(rows, Lifetime::kOutlivesTheCall, parameters...));
    return finish(rows);
  }
  // One statement whose rows are read. Texts and bytes are copied, so parameters may be temporaries.
  template <typename... Parameters>
  Result<SqliteRows> query(std::string_view sql, const Parameters&... parameters) {
    auto rows = prepare(sql);
    if (!rows) return rows;
    if (auto bound = bind_all(*rows, Lifetime::kCopied, parameters...); !bound) return std::unexpected(bound.error());
    return rows;
  }
  // The first column of the first row; nullopt when there is no row or it is NULL.
  template <typename... Parameters>
  Result<std::optional<std::int64_t>> query_integer(std::string_view sql, const Parameters&... parameters) {
    MN_TRY(rows, prepare(sql));
    MN_CHECK(bind_all(rows, Lifetime::kOutlivesTheCall, parameters...));
    MN_TRY(found, rows.step());
    if (!found || rows.is_null(0)) return std::optional<std::int64_t>();
    return std::optional<std::int64_t>(rows.integer(0));
  }
  // For parameter lists that are only known at run time: bind one after another, from 1.
  Result<SqliteRows> prepare(std::string_view sql);
  enum class Lifetime : std::uint8_t { kCopied, kOutlivesTheCall };
  Status bind(SqliteRows& rows, int index, std::int64_t value);
  Status bind(SqliteRows& rows, int index, double value);
  Status bind(SqliteRows& rows, int index, std::nullopt_t);
  Status bind(SqliteRows& rows, int index, std::string_view text, Lifetime lifetime = Lifetime::kCopied);
  Status bind(SqliteRows& rows, int index, SqliteBlob blob, Lifetime lifetime = Lifetime::kCopied);

  // A writer takes the write lock at once; a reader sees one snapshot until the end. Transactions do not nest.
  Result<SqliteTransaction> begin();

  std::int64_t changed_rows() const;  // by the last INSERT, UPDATE or DELETE
  std::int64_t last_insert_rowid() const;

  // A number of the owner's in the file's header: the version of its schema. 0 in a new file.
  Result<std::int64_t> user_version();
  Status set_user_version(std::int64_t version);

  // Reads the whole file. kCorrupt: what is stored is not consistent.
  Status integrity_check();
  // Carries the log over into the file and empties it. Writer only; kRetry: a reader stands in the way.
  Status checkpoint();
  // Gives free pages back to the file system. Writer only; rewrites the whole file.
  Status vacuum();

 private:
  friend class SqliteTransaction;
  struct Prepared {
    sqlite3_stmt* statement = nullptr;
    bool busy = false;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  Sqlite(sqlite3* handle, std::string writer_of) : handle_(handle), writer_of_(std::move(writer_of)) {}
  static Result<std::unique_ptr<Sqlite>> open(const std::string& path, int flags, std::string writer_of);
  Status configure_writer(const SqliteOptions& options);
  Status configure_reader(const SqliteOptions& options);
  Status finish(SqliteRows& rows);
  Result<sqlite3_stmt*> compile(std::string_view sql);

  template <typename Value>
  Status bind_value(SqliteRows& rows, int index, Lifetime lifetime, const Value& value) {
    if constexpr (std::same_as<Value, Time>) {
      return bind(rows, index, to_micros(value));
    } else if constexpr (std::same_as<Value, Seq>) {
      return bind(rows, index, static_cast<std::int64_t>(value.value));
    } else if constexpr (std::same_as<Value, std::nullopt_t> || std::same_as<Value, double>) {
      return bind(rows, index, value);
    } else if constexpr (std::integral<Value> || std::is_enum_v<Value>) {
      return bind(rows, index, static_cast<std::int64_t>(value));
    } else if constexpr (std::same_as<Value, SqliteBlob>) {
      return bind(rows, index, value, lifetime);
    } else {
      return bind(rows, index, std::string_view(value), lifetime);
    }
  }
  template <typename Value>
  Status bind_value(SqliteRows& rows, int index, Lifetime lifetime, const std::optional<Value>& value) {
    return value ? bind_value(rows, index, lifetime, *value) : bind(rows, index, std::nullopt);
  }
  template <typename... Parameters>
  Status bind_all(SqliteRows& rows, [[maybe_unused]] Lifetime lifetime, const Parameters&... parameters) {
    int index = 0;
    Status status;
    ((status = status ? bind_value(rows, ++index, lifetime, parameters) : status), ...);
    if (status && index != parameter_count(rows)) return fail(Errc::kRefused, "sqlite: wrong number of parameters");
    return status;
  }
  static int parameter_count(const SqliteRows& rows);

  sqlite3* handle_;
  std::string writer_of_;  // the path that this connection is the writer of; empty for readers and memory
  // Node-based: the addresses of the `busy` marks stay.
  std::unordered_map<std::string, Prepared, TextHash, std::equal_to<>> cache_;
};

}  // namespace minato
