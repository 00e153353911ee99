// A connection to PostgreSQL 15 or later: prepared statements that are kept, binary parameters, pipelines, waiting for
// notifications, and coming back after the server was away.
//
//   MN_TRY(db, Postgres::connect({.conninfo = "host=/run/postgresql dbname=minato"}));
//   MN_TRY(transaction, db->begin());
//   MN_TRY(rows, db->query("SELECT id, text FROM note WHERE id = ANY($1)", ids));
//   for (int row = 0; row < rows.size(); ++row) use(rows.integer(row, 0), rows.text(row, 1));
//   MN_CHECK(transaction.commit());
//
// Coming back: a call outside a transaction finds a lost connection and makes a new one first, at most once in a pause
// that doubles from 100 ms to 5 s; in between it answers kUnavailable at once. Nothing is repeated by itself. What a
// connection had (LISTEN, transactions, temporary tables) is gone; listen() is repeated by the connection.
//
// Threads: a connection is used by one thread at a time.
//
// Errors: kRetry (serialization failure, deadlock, lock or statement time-out: the same transaction again may do),
// kConflict (unique or other constraint), kUnavailable (connection lost or refused, server stopping, read-only or
// full), kCorrupt (the server found damage), kTooLarge (over a limit of the server), kRefused (our mistake: bad SQL, no
// permission). After a kUnavailable from commit() it is unknown whether the transaction took place. Texts carry the
// SQLSTATE, never a value.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"

struct pg_conn;
struct pg_result;

namespace minato {

struct PostgresOptions {
  std::string conninfo;  // libpq's: "host=… dbname=…" or a URI. Overrides the keep-alive settings below it.
  std::string application_name = "minato";
  std::chrono::seconds connect_timeout{10};
  std::chrono::milliseconds statement_timeout{60'000};  // also for waiting on a lock
};

// Bytes (bytea), where a string_view would be text.
struct PostgresBlob {
  std::string_view bytes;
};

// The rows of one answer. Views live as long as this.
class PostgresRows {
 public:
  explicit PostgresRows(pg_result* result) : result_(result) {}
  PostgresRows(PostgresRows&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  PostgresRows& operator=(PostgresRows&& other) noexcept {
    std::swap(result_, other.result_);
    return *this;
  }
  ~PostgresRows();

  int size() const;
  int columns() const;
  std::int64_t changed_rows() const;  // by INSERT, UPDATE or DELETE

  // Columns and rows from 0. Numbers of an absent value are 0, its text and bytes are empty.
  bool is_null(int row, int column) const;
  std::int64_t integer(int row, int column) const;  // bigint, integer, smallint or boolean
  std::uint64_t natural(int row, int column) const { return static_cast<std::uint64_t>(integer(row, column)); }
  std::string_view text(int row, int column) const;
  std::string_view blob(int row, int column) const { return text(row, column); }
  Time time(int row, int column) const { return from_micros(integer(row, column)); }
  std::optional<Time> optional_time(int row, int column) const;
  Seq seq(int row, int column) const { return Seq{natural(row, column)}; }

 private:
  pg_result* result_;
};

// The parameters of one statement in libpq's binary form. A parameter is an integer or enum (bigint), bool, text
// (string_view and what becomes one), PostgresBlob (bytea), Time and Seq (bigint: microseconds, number), an optional of
// these, or a vector for an array: of std::int64_t, std::optional<std::int64_t>, std::string_view or PostgresBlob.
// Texts and bytes are not copied: they outlive the call they are given to.
class PostgresParameters {
 public:
  template <typename... Values>
  explicit PostgresParameters(const Values&... values) {
    (add(values), ...);
  }

  void add(std::int64_t value);
  void add(bool value);
  void add(std::string_view text) { add_bytes(text, kText); }
  void add(const char* text) { add(std::string_view(text)); }
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(PostgresBlob blob) { add_bytes(blob.bytes, kBytea); }
  void add(Time time) { add(to_micros(time)); }
  void add(Seq seq) { add(static_cast<std::int64_t>(seq.value)); }
  void add(const std::vector<std::int64_t>& array);
  void add(const std::vector<std::optional<std::int64_t>>& array);
  void add(const std::vector<std::string_view>& array);
  void add(const std::vector<PostgresBlob>& array);
  template <typename Value>
    requires(std::integral<Value> || std::is_enum_v<Value>)
  void add(Value value) {
    add(static_cast<std::int64_t>(value));
  }
  template <typename Value>
  void add(const std::optional<Value>& value) {
    if (value) {
      add(*value);
    } else {
      // The type is still told, so that the prepared statement is the same with and without a value.
      add(Value{});
      parameters_.back().is_null = true;
    }
  }

  std::size_t size() const { return parameters_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  friend class Postgres;
  enum Type : unsigned { kBool = 16, kBytea = 17, kInt8 = 20, kText = 25 };
  struct Parameter {
    unsigned type = 0;
    bool is_null = false;
    const char* outside = nullptr;  // the caller's bytes; nullptr: at `offset` of encoded_
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };
  void add_bytes(std::string_view bytes, unsigned type);
  void add_encoded(std::size_t from, unsigned type);
  void begin_array(std::size_t size, unsigned element_type);

  std::vector<Parameter> parameters_;
  std::string encoded_;
  std::size_t bytes_ = 0;
};

// Rolls back when it dies without commit().
class PostgresTransaction {
 public:
  PostgresTransaction(PostgresTransaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  PostgresTransaction& operator=(PostgresTransaction&&) = delete;
  ~PostgresTransaction();
  Status commit();

 private:
  friend class Postgres;
  explicit PostgresTransaction(class Postgres* db) : db_(db) {}
  class Postgres* db_;
};

class Postgres {
 public:
  static Result<std::unique_ptr<Postgres>> connect(PostgresOptions options);
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;
  ~Postgres();

  // Any number of statements without parameters and results, in one implicit transaction.
  Status execute(const char* sql);

  // One statement. A text is prepared once for a connection: its parameters have the same types each time.
  template <typename... Values>
  Result<PostgresRows> query(std::string_view sql, const Values&... values) {
    return query_with(sql, PostgresParameters(values...));
  }
  // The same where rows are of no interest; returns how many it changed.
  template <typename... Values>
  Result<std::int64_t> run(std::string_view sql, const Values&... values) {
    MN_TRY(rows, query(sql, values...));
    return rows.changed_rows();
  }
  // The first column of the first row; nullopt when there is no row or it is NULL.
  template <typename... Values>
  Result<std::optional<std::int64_t>> query_integer(std::string_view sql, const Values&... values) {
    MN_TRY(rows, query(sql, values...));
    if (rows.size() == 0 || rows.is_null(0, 0)) return std::optional<std::int64_t>();
    return std::optional<std::int64_t>(rows.integer(0, 0));
  }
  Result<PostgresRows> query_with(std::string_view sql, const PostgresParameters& parameters);

  // READ COMMITTED. Makes a lost connection anew first.
  Result<PostgresTransaction> begin();

  // Sends statements without waiting for each answer: one round trip for all of them. Between pipeline_begin() and
  // pipeline_end() nothing else may be called. After the first that fails the later ones are not run; pipeline_end()
  // returns that error, or the answers in order. Outside a transaction all of them are one.
  Status pipeline_begin();
  template <typename... Values>
  Status pipeline_add(std::string_view sql, const Values&... values) {
    return pipeline_add_with(sql, PostgresParameters(values...));
  }
  Status pipeline_add_with(std::string_view sql, const PostgresParameters& parameters);
  Result<std::vector<PostgresRows>> pipeline_end();

  // Subscribes to a channel (a plain identifier), now and after each reconnection.
  Status listen(const std::string& channel);
  // Waits until a notification comes (true) or `deadline` passes or `wake_fd` becomes readable (false). All
  // notifications that have come are consumed: look for what changed, do not count them. A wait that finds the
  // connection lost answers kUnavailable; the one after the reconnection answers true, for what may have been missed.
  Result<bool> wait_notification(Deadline deadline, int wake_fd = -1);

  // False after an error that ended the connection, until a call made a new one.
  bool connected() const;

 private:
  friend class PostgresTransaction;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct Arguments;

  explicit Postgres(PostgresOptions options) : options_(std::move(options)) {}
  Status open();
  Status ensure_connected();
  Result<const std::string*> prepared(std::string_view sql, const PostgresParameters& parameters);
  Status pipeline_drain(std::size_t keep);
  Status take_pipeline_answer();
  void lose_connection();

  PostgresOptions options_;
  pg_conn* connection_ = nullptr;
  std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> statements_;  // text → name
  std::uint64_t statements_made_ = 0;
  std::vector<std::string> channels_;
  bool in_transaction_ = false;
  bool notification_missed_ = false;

  // Reconnection.
  std::chrono::milliseconds pause_{0};
  Deadline not_before_{};

  // Pipeline: for each answer that is due, whether it is a statement's (not its preparation's).
  bool in_pipeline_ = false;
  std::vector<char> due_;
  std::size_t due_taken_ = 0, in_flight_bytes_ = 0;
  std::vector<PostgresRows> answers_;
  std::vector<std::string> prepared_in_pipeline_;
  std::optional<Error> pipeline_error_;
};

}  // namespace minato
