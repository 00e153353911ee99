#include "store/queue/queue.h"

#include <charconv>

#include "base/limits.h"
#include "store/queue/apply.h"
#include "store/queue/lease.h"
#include "store/queue/reads.h"
#include "store/queue/tables.h"

namespace minato {
namespace {

class SqlQueue : public Queue {
 public:
  explicit SqlQueue(std::unique_ptr<QueueBackend> backend) : backend_(std::move(backend)) {}

  Result<Seq> position() override { return read<Seq>(read_position); }

  Status apply(std::span<const QueueChange> changes, Seq from, Seq to) override {
    if (to < from) return fail(Errc::kRefused, "queue: the position cannot go back");
    MN_CHECK(check_changes(changes));
    MN_TRY(tables, backend_->begin(QueueUse::kApply));
    const Time now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
    MN_CHECK(apply_changes(*tables, changes, from, to, now));
    return tables->commit();
  }

  Result<std::vector<Leased>> lease(std::string_view worker, Time now, const LeaseRequest& request) override {
    MN_TRY(tables, backend_->begin(QueueUse::kLease));
    MN_TRY(leased, lease_lanes(*tables, worker, now, request));
    MN_CHECK(tables->commit());
    return leased;
  }

  Result<std::size_t> renew(std::string_view worker, Time now, Duration duration) override {
    MN_TRY(tables, backend_->begin(QueueUse::kLease));
    MN_TRY(renewed, tables->renew(worker, now + duration));
    MN_CHECK(tables->commit());
    return renewed;
  }

  Status release(ItemId id, std::string_view worker) override {
    if (!has_key(id)) return {};
    MN_TRY(tables, backend_->begin(QueueUse::kLease));
    MN_CHECK(tables->give_back(worker, key_of(id)));
    return tables->commit();
  }

  Result<std::optional<Time>> next_runnable(Time now, const std::vector<std::string>& steps) override {
    return read<std::optional<Time>>([&](QueueReader& reader) { return read_next_runnable(reader, now, steps); });
  }

  Result<std::vector<ItemView>> items(const ItemFilter& filter, std::optional<ItemId> after,
                                      std::size_t limit) override {
    return read<std::vector<ItemView>>([&](QueueReader& reader) { return read_items(reader, filter, after, limit); });
  }

  Result<std::uint64_t> count(const ItemFilter& filter) override {
    return read<std::uint64_t>([&](QueueReader& reader) { return count_items(reader, filter); });
  }

  Result<QueueStats> stats() override { return read<QueueStats>(read_stats); }

 private:
  template <typename T, typename Function>
  Result<T> read(Function function) {
    T value{};
    MN_CHECK(backend_->with_reader([&](QueueReader& reader) -> Status {
      MN_TRY(answer, function(reader));
      value = std::move(answer);
      return {};
    }));
    return value;
  }

  const std::unique_ptr<QueueBackend> backend_;
};

}  // namespace

std::string to_string(ItemId id) { return std::to_string(id.created_by.value) + "." + std::to_string(id.ordinal); }

std::optional<ItemId> parse_item_id(std::string_view text) {
  ItemId id;
  const char* const end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, id.created_by.value);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  const auto [rest, second_error] = std::from_chars(dot + 1, end, id.ordinal);
  if (second_error != std::errc() || rest != end) return std::nullopt;
  return id;
}

std::unique_ptr<Queue> make_queue(std::unique_ptr<QueueBackend> backend) {
  return std::make_unique<SqlQueue>(std::move(backend));
}

}  // namespace minato
