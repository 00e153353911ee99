#include "store/sql/postgres.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace minato {
namespace {

constexpr std::chrono::milliseconds kPauseFirst{100};
constexpr std::chrono::milliseconds kPauseMax{5000};

// More than this is not sent before the answers to what was sent are read: otherwise server and client could both wait
// for the other to read.
constexpr std::size_t kInFlightBytesMax = 64u << 10;
constexpr std::size_t kInFlightMax = 256;

// PostgreSQL's own numbers for the types (pg_type.oid); they never change.
constexpr unsigned kByteaArray = 1001, kTextArray = 1009, kInt8Array = 1016;
constexpr unsigned kByteaType = 17, kInt8Type = 20, kTextType = 25;

Errc class_of(std::string_view state) {
  if (state == "40001" || state == "40P01" || state == "55P03" || state == "57014") return Errc::kRetry;
  if (state == "XX001" || state == "XX002") return Errc::kCorrupt;
  if (state == "25006") return Errc::kUnavailable;  // read-only: a standby, or the disk is nearly full
  if (state == "08P01") return Errc::kRefused;      // protocol violation: a wrong number of parameters
  const auto group = state.substr(0, 2);
  if (group == "23") return Errc::kConflict;
  if (group == "54") return Errc::kTooLarge;
  if (group == "08" || group == "53" || group == "57" || group == "58" || group == "XX") return Errc::kUnavailable;
  return Errc::kRefused;
}

Error error_of(const PGconn* connection, const PGresult* result) {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) {
    if (PQstatus(connection) == CONNECTION_BAD) return {Errc::kUnavailable, "postgres: connection lost"};
    return {Errc::kRefused, "postgres: the call failed without a state"};
  }
  std::string what = std::string("postgres: SQLSTATE ") + state;
  // The text of most errors may quote a value; that of class 42 (syntax, names, permissions) quotes only the SQL.
  if (std::string_view(state).starts_with("42")) {
    what.append(": ").append(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  }
  return {class_of(state), std::move(what)};
}

bool succeeded(const PGresult* result) {
  const auto status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

template <typename Int>
void append_be(std::string& out, Int value) {
  for (int shift = static_cast<int>(sizeof(Int)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::make_unsigned_t<Int>>(value) >> shift & 0xff));
  }
}

}  // namespace

// ---- rows

PostgresRows::~PostgresRows() { PQclear(result_); }

int PostgresRows::size() const { return PQntuples(result_); }

int PostgresRows::columns() const { return PQnfields(result_); }

std::int64_t PostgresRows::changed_rows() const { return std::atoll(PQcmdTuples(result_)); }

bool PostgresRows::is_null(int row, int column) const { return PQgetisnull(result_, row, column) != 0; }

std::string_view PostgresRows::text(int row, int column) const {
  return {PQgetvalue(result_, row, column), static_cast<std::size_t>(PQgetlength(result_, row, column))};
}

std::int64_t PostgresRows::integer(int row, int column) const {
  const std::string_view bytes = text(row, column);
  if (bytes.empty()) return 0;
  // Big-endian two's complement of 1, 2, 4 or 8 bytes; the first byte has the sign (a boolean is 0 or 1).
  auto value = static_cast<std::int64_t>(static_cast<signed char>(bytes[0]));
  for (const char c : bytes.substr(1)) {
    value = static_cast<std::int64_t>(static_cast<std::uint64_t>(value) << 8 | static_cast<unsigned char>(c));
  }
  return value;
}

std::optional<Time> PostgresRows::optional_time(int row, int column) const {
  return is_null(row, column) ? std::optional<Time>() : std::optional<Time>(time(row, column));
}

// ---- parameters

void PostgresParameters::add_bytes(std::string_view bytes, unsigned type) {
  // A null pointer would be NULL; an empty text is not NULL.
  parameters_.push_back({type, false, bytes.data() == nullptr ? "" : bytes.data(), 0, bytes.size()});
  bytes_ += bytes.size();
}

void PostgresParameters::add_encoded(std::size_t from, unsigned type) {
  parameters_.push_back({type, false, nullptr, from, encoded_.size() - from});
  bytes_ += encoded_.size() - from;
}

void PostgresParameters::add(std::int64_t value) {
  const auto from = encoded_.size();
  append_be(encoded_, value);
  add_encoded(from, kInt8);
}

void PostgresParameters::add(bool value) {
  encoded_.push_back(value ? '\1' : '\0');
  add_encoded(encoded_.size() - 1, kBool);
}

// An array is: dimensions i32, has nulls i32, element type u32, then size and lower bound of the one dimension, i32
// each, then for each element its length in bytes (-1: NULL) i32 and its bytes. All big-endian (array_recv).
void PostgresParameters::begin_array(std::size_t size, unsigned element_type) {
  append_be(encoded_, std::int32_t{size == 0 ? 0 : 1});
  append_be(encoded_, std::int32_t{1});
  append_be(encoded_, element_type);
  if (size == 0) return;
  append_be(encoded_, static_cast<std::int32_t>(size));
  append_be(encoded_, std::int32_t{1});
}

void PostgresParameters::add(const std::vector<std::int64_t>& array) {
  const auto from = encoded_.size();
  encoded_.reserve(from + 20 + array.size() * 12);
  begin_array(array.size(), kInt8Type);
  for (const auto value : array) {
    append_be(encoded_, std::int32_t{8});
    append_be(encoded_, value);
  }
  add_encoded(from, kInt8Array);
}

void PostgresParameters::add(const std::vector<std::optional<std::int64_t>>& array) {
  const auto from = encoded_.size();
  begin_array(array.size(), kInt8Type);
  for (const auto& value : array) {
    append_be(encoded_, std::int32_t{value ? 8 : -1});
    if (value) append_be(encoded_, *value);
  }
  add_encoded(from, kInt8Array);
}

void PostgresParameters::add(const std::vector<std::string_view>& array) {
  const auto from = encoded_.size();
  begin_array(array.size(), kTextType);
  for (const auto text : array) {
    append_be(encoded_, static_cast<std::int32_t>(text.size()));
    encoded_.append(text);
  }
  add_encoded(from, kTextArray);
}

void PostgresParameters::add(const std::vector<PostgresBlob>& array) {
  const auto from = encoded_.size();
  begin_array(array.size(), kByteaType);
  for (const auto blob : array) {
    append_be(encoded_, static_cast<std::int32_t>(blob.bytes.size()));
    encoded_.append(blob.bytes);
  }
  add_encoded(from, kByteaArray);
}

// What libpq's functions want: parallel arrays.
struct Postgres::Arguments {
  explicit Arguments(const PostgresParameters& parameters) {
    for (const auto& p : parameters.parameters_) {
      const char* bytes = p.outside != nullptr ? p.outside : parameters.encoded_.data() + p.offset;
      types.push_back(p.type);
      values.push_back(p.is_null ? nullptr : bytes);
      lengths.push_back(static_cast<int>(p.bytes));
      formats.push_back(1);
    }
  }
  int size() const { return static_cast<int>(values.size()); }
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
};

// ---- transaction

PostgresTransaction::~PostgresTransaction() {
  if (db_ == nullptr) return;
  if (db_->in_pipeline_) (void)db_->pipeline_end();
  db_->in_transaction_ = false;
  if (PQtransactionStatus(db_->connection_) != PQTRANS_IDLE) PQclear(PQexec(db_->connection_, "ROLLBACK"));
}

Status PostgresTransaction::commit() {
  if (db_ == nullptr) return fail(Errc::kRefused, "postgres: committed twice");
  PGresult* result = PQexec(db_->connection_, "COMMIT");
  const PostgresRows owner(result);
  if (!succeeded(result)) return std::unexpected(error_of(db_->connection_, result));
  // COMMIT of a failed transaction succeeds as a rollback.
  const bool committed = std::string_view(PQcmdStatus(result)) == "COMMIT";
  db_->in_transaction_ = false;
  db_ = nullptr;
  if (!committed) return fail(Errc::kRefused, "postgres: committed a transaction in which a statement had failed");
  return {};
}

// ---- connection

Result<std::unique_ptr<Postgres>> Postgres::connect(PostgresOptions options) {
  std::unique_ptr<Postgres> db(new Postgres(std::move(options)));
  MN_CHECK(db->open());
  return db;
}

Postgres::~Postgres() { PQfinish(connection_); }

bool Postgres::connected() const { return connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK; }

Status Postgres::open() {
  const std::string timeout = std::to_string(std::max<std::int64_t>(2, options_.connect_timeout.count()));
  // A dead server or network is noticed within half a minute even while we wait for an answer. What the conninfo says
  // comes last and wins.
  const std::array names = {"connect_timeout",     "application_name", "keepalives_idle",
                            "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                            "client_encoding",     "dbname",           static_cast<const char*>(nullptr)};
  const std::array values = {
      timeout.c_str(),           options_.application_name.c_str(), "10", "5", "3", "20000", "UTF8",
      options_.conninfo.c_str(), static_cast<const char*>(nullptr)};
  connection_ = PQconnectdbParams(names.data(), values.data(), 1);
  if (!connected()) {
    lose_connection();
    // libpq's text may name host and user, and nothing of a message; but it is many lines long, and localised.
    return fail(Errc::kUnavailable, "postgres: cannot connect");
  }
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
  pause_ = std::chrono::milliseconds(0);
  MN_CHECK(execute(
      ("SET client_min_messages = error; SET statement_timeout = " + std::to_string(options_.statement_timeout.count()))
          .c_str()));
  for (const auto& channel : channels_) MN_CHECK(execute(("LISTEN " + channel).c_str()));
  notification_missed_ = !channels_.empty();
  return {};
}

void Postgres::lose_connection() {
  PQfinish(connection_);
  connection_ = nullptr;
  statements_.clear();
  pause_ = std::clamp(pause_ * 2, kPauseFirst, kPauseMax);
  not_before_ = std::chrono::steady_clock::now() + pause_;
}

Status Postgres::ensure_connected() {
  if (connected()) return {};
  // What follows would otherwise run without the part of the transaction that came before.
  if (in_transaction_) return fail(Errc::kUnavailable, "postgres: connection lost");
  if (connection_ != nullptr) {
    lose_connection();
    not_before_ = {};  // the first attempt after a loss is made at once
  }
  if (std::chrono::steady_clock::now() < not_before_) return fail(Errc::kUnavailable, "postgres: not connected");
  return open();
}

Status Postgres::execute(const char* sql) {
  MN_CHECK(ensure_connected());
  PGresult* result = PQexec(connection_, sql);
  const PostgresRows owner(result);
  if (!succeeded(result)) return std::unexpected(error_of(connection_, result));
  return {};
}

Result<const std::string*> Postgres::prepared(std::string_view sql, const PostgresParameters& parameters) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return &found->second;
  const Arguments arguments(parameters);
  const std::string text(sql);
  // Never the same name twice: what a failed pipeline prepared may or may not be there.
  const std::string name = "s" + std::to_string(++statements_made_);
  if (in_pipeline_) {
    if (PQsendPrepare(connection_, name.c_str(), text.c_str(), arguments.size(), arguments.types.data()) == 0) {
      return std::unexpected(error_of(connection_, nullptr));
    }
    due_.push_back(0);
    prepared_in_pipeline_.push_back(text);
  } else {
    PGresult* result = PQprepare(connection_, name.c_str(), text.c_str(), arguments.size(), arguments.types.data());
    const PostgresRows owner(result);
    if (!succeeded(result)) return std::unexpected(error_of(connection_, result));
  }
  return &statements_.emplace(text, name).first->second;
}

Result<PostgresRows> Postgres::query_with(std::string_view sql, const PostgresParameters& parameters) {
  MN_CHECK(ensure_connected());
  MN_TRY(name, prepared(sql, parameters));
  const Arguments arguments(parameters);
  PGresult* result = PQexecPrepared(connection_, name->c_str(), arguments.size(), arguments.values.data(),
                                    arguments.lengths.data(), arguments.formats.data(), 1);
  PostgresRows rows(result);
  if (!succeeded(result)) return std::unexpected(error_of(connection_, result));
  return rows;
}

Result<PostgresTransaction> Postgres::begin() {
  // The connection may have been lost without our noticing it: nothing has been done yet, so once more is safe.
  if (in_transaction_) return fail(Errc::kRefused, "postgres: transactions do not nest");
  for (int attempt = 0;; ++attempt) {
    const auto begun = execute("BEGIN");
    if (begun) {
      in_transaction_ = true;
      return PostgresTransaction(this);
    }
    if (attempt > 0 || connected()) return std::unexpected(begun.error());
  }
}

// ---- pipeline

Status Postgres::pipeline_begin() {
  if (in_pipeline_) (void)pipeline_end();  // one that was given up
  MN_CHECK(ensure_connected());
  if (PQenterPipelineMode(connection_) == 0) return std::unexpected(error_of(connection_, nullptr));
  in_pipeline_ = true;
  due_.clear();
  due_taken_ = in_flight_bytes_ = 0;
  answers_.clear();
  prepared_in_pipeline_.clear();
  pipeline_error_.reset();
  return {};
}

Status Postgres::pipeline_add_with(std::string_view sql, const PostgresParameters& parameters) {
  if (!in_pipeline_) return fail(Errc::kRefused, "postgres: no pipeline");
  const bool full =
      in_flight_bytes_ + parameters.bytes() > kInFlightBytesMax || due_.size() - due_taken_ > kInFlightMax;
  if (full && due_.size() > due_taken_) {
    PQsendFlushRequest(connection_);
    MN_CHECK(pipeline_drain(0));
  }
  MN_TRY(name, prepared(sql, parameters));
  const Arguments arguments(parameters);
  if (PQsendQueryPrepared(connection_, name->c_str(), arguments.size(), arguments.values.data(),
                          arguments.lengths.data(), arguments.formats.data(), 1) == 0) {
    return std::unexpected(error_of(connection_, nullptr));
  }
  due_.push_back(1);
  in_flight_bytes_ += parameters.bytes() + sql.size();
  return {};
}

// Reads answers until at most `keep` are still due.
Status Postgres::pipeline_drain(std::size_t keep) {
  while (due_.size() - due_taken_ > keep) MN_CHECK(take_pipeline_answer());
  in_flight_bytes_ = 0;
  return {};
}

Status Postgres::take_pipeline_answer() {
  PGresult* result = PQgetResult(connection_);
  if (result == nullptr) return std::unexpected(error_of(connection_, nullptr));
  PostgresRows rows(result);
  if (!succeeded(result) && PQresultStatus(result) != PGRES_PIPELINE_ABORTED && !pipeline_error_) {
    pipeline_error_ = error_of(connection_, result);
  }
  if (due_[due_taken_++] != 0) answers_.push_back(std::move(rows));
  // Each statement's answer is closed by a null.
  while (PGresult* rest = PQgetResult(connection_)) PQclear(rest);
  return {};
}

Result<std::vector<PostgresRows>> Postgres::pipeline_end() {
  if (!in_pipeline_) return fail(Errc::kRefused, "postgres: no pipeline");
  in_pipeline_ = false;
  if (PQpipelineSync(connection_) == 0) return std::unexpected(error_of(connection_, nullptr));
  MN_CHECK(pipeline_drain(0));
  PQclear(PQgetResult(connection_));  // the synchronisation point itself
  if (PQexitPipelineMode(connection_) == 0) return std::unexpected(error_of(connection_, nullptr));
  if (pipeline_error_) {
    // What was to be prepared after the failure was not.
    for (const auto& text : prepared_in_pipeline_) statements_.erase(text);
    return std::unexpected(*pipeline_error_);
  }
  return std::move(answers_);
}

// ---- notifications

Status Postgres::listen(const std::string& channel) {
  MN_CHECK(execute(("LISTEN " + channel).c_str()));
  if (std::ranges::find(channels_, channel) == channels_.end()) channels_.push_back(channel);
  return {};
}

namespace {
int milliseconds_until(Deadline deadline) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(rest, 0, 3'600'000));
}

bool take_notifications(PGconn* connection) {
  bool any = false;
  while (PGnotify* notification = PQnotifies(connection)) {
    any = true;
    PQfreemem(notification);
  }
  return any;
}
}  // namespace

Result<bool> Postgres::wait_notification(Deadline deadline, int wake_fd) {
  MN_CHECK(ensure_connected());
  if (std::exchange(notification_missed_, false)) return true;
  while (true) {
    if (PQconsumeInput(connection_) == 0) return std::unexpected(error_of(connection_, nullptr));
    if (take_notifications(connection_)) return true;
    const int timeout_ms = milliseconds_until(deadline);
    if (timeout_ms == 0) return false;
    std::array<pollfd, 2> fds = {pollfd{PQsocket(connection_), POLLIN, 0}, pollfd{wake_fd, POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
    if (ready < 0 && errno != EINTR) return fail(Errc::kUnavailable, "postgres: cannot wait");
    if (ready > 0 && fds[1].revents != 0) return false;
  }
}

}  // namespace minato
