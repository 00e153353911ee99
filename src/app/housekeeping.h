// What nobody asks for and everybody expects: alarms about silent senders, expiring certificates and full disks,
// retention, gauges; and the operations that concern the whole data directory: backup and purge.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "app/config.h"
#include "app/stores.h"
#include "base/json_writer.h"
#include "base/metrics.h"
#include "os/clock.h"

namespace minato {

struct HousekeepingContext {
  const Config& config;
  Stores& stores;
  metrics::Registry& metrics;
  Clock& clock;
};

class Housekeeping {
 public:
  explicit Housekeeping(const HousekeepingContext& context);

  // Called about once a second by the main thread; does what is due.
  void tick();

  // Any thread.
  void write_status(JsonWriter& json) const;
  Status backup(const std::string& directory);
  // Removes records up to `through`, but none that unfinished work needs. Before it does, the derived state of what
  // goes is kept as a snapshot, so that the projections can still be rebuilt. Returns the last sequence that is gone.
  Result<Seq> purge(Seq through, std::string_view by, std::string_view reason);

 private:
  void watch_feeds();
  void retain();
  Result<Seq> oldest_needed() const;

  HousekeepingContext context_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point next_minute_;
  std::set<std::string> silent_;  // senders that the alarm has been raised for
  metrics::Gauge& silent_feeds_;
};

}  // namespace minato
