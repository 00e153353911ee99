#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>

#include "base/json_writer.h"
#include "base/time.h"

namespace minato::log {
namespace {

std::atomic<Level> g_level{Level::kInfo};

std::mutex& redirect_mutex() {
  static std::mutex mutex;
  return mutex;
}
std::function<void(std::string_view)>& redirect() {
  static std::function<void(std::string_view)> sink;
  return sink;
}
std::atomic<bool> g_redirected{false};

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("minato", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_level(spdlog::level::trace);
    made.set_pattern("%v");
    made.flush_on(spdlog::level::trace);
    return made;
  }();
  return instance;
}

void emit(std::string_view line) {
  if (g_redirected.load(std::memory_order_acquire)) {
    const std::lock_guard lock(redirect_mutex());
    if (redirect()) return redirect()(line);
  }
  try {
    logger().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {  // standard error is gone: there is nowhere left to say so
  }
}

}  // namespace

Value::Value(const Error& error) : value_(std::string_view(error.what)) {}

std::string_view name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
    case Level::kAlarm:
      return "alarm";
  }
  return "alarm";
}

Result<Level> parse_level(std::string_view text) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError, Level::kAlarm}) {
    if (name(level) == text) return level;
  }
  return fail(Errc::kRefused, "the log level is none of debug, info, warning, error, alarm");
}

void set_level(Level level) { g_level.store(level, std::memory_order_relaxed); }

void write(Level level, Literal event, Fields fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  std::string line;
  line.reserve(256);
  JsonWriter json(line);
  const auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  json.begin_object().member("time", to_rfc3339(now)).member("level", name(level)).member("event", event.text());
  for (const Field& field : fields) {
    json.key(field.key.text());
    std::visit([&json](const auto& held) { json.value(held); }, field.value.held());
  }
  json.end_object();
  emit(line);
}

Redirect::Redirect(std::function<void(std::string_view)> sink) {
  const std::lock_guard lock(redirect_mutex());
  redirect() = std::move(sink);
  g_redirected.store(true, std::memory_order_release);
}

Redirect::~Redirect() {
  const std::lock_guard lock(redirect_mutex());
  redirect() = nullptr;
  g_redirected.store(false, std::memory_order_release);
}

}  // namespace minato::log
