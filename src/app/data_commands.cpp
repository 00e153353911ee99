// Commands on a data directory while no server runs: restore, verify, and listing messages.
#include <cstdio>

#include "app/admin_client.h"
#include "app/commands.h"
#include "app/offline.h"
#include "app/stores.h"
#include "edge/admin/views.h"
#include "os/files.h"
#include "store/journal/backup.h"

namespace minato {

int run_restore(const RestoreOptions& options) {
  const auto there = real_files().exists(options.data_dir + "/journal");
  if (there && *there) return report(Error{Errc::kRefused, options.data_dir + " has a journal already"});
  if (const Status made = real_files().make_directories(options.data_dir); !made) return report(made.error());
  const auto restored = restore_backup(real_files(), options.from, real_files(), options.data_dir + "/journal");
  if (!restored) return report(restored.error());
  std::printf("restored records %llu to %llu (%llu bytes) into %s; the derived files are built at the next start\n",
              static_cast<unsigned long long>(restored->first.value),
              static_cast<unsigned long long>(restored->last.value), static_cast<unsigned long long>(restored->bytes),
              options.data_dir.c_str());
  return kExitOk;
}

int run_verify(const AdminOptions& options) {
  SegmentJournalOptions journal_options;
  journal_options.directory = options.data_dir + "/journal";
  const auto there = real_files().exists(journal_options.directory);
  if (!there || !*there) return report(Error{Errc::kUnavailable, "no journal in " + options.data_dir});
  auto journal = open_segment_journal(real_files(), real_clock(), std::move(journal_options));
  if (!journal) return report(journal.error());
  const VerifyReport found = (*journal)->verify();
  if (options.json) {
    std::string out;
    JsonWriter json(out);
    json.begin_object()
        .member("segments", found.segments)
        .member("records", found.records)
        .key("problems")
        .begin_array();
    for (const std::string& problem : found.problems) json.value(problem);
    json.end_array().end_object();
    std::printf("%s\n", out.c_str());
  } else {
    std::printf("%llu records in %llu segments\n", static_cast<unsigned long long>(found.records),
                static_cast<unsigned long long>(found.segments));
    for (const std::string& problem : found.problems) std::printf("PROBLEM  %s\n", problem.c_str());
    if (found.problems.empty()) std::printf("every byte is what was written\n");
  }
  return found.problems.empty() ? kExitOk : kExitNegative;
}

bool may_read_offline(const AdminOptions& options, const Error& error) {
  if (!options.url.empty() || error.code != Errc::kUnavailable) return false;
  const auto there = real_files().exists(options.data_dir + "/journal");
  return there && *there;
}

int list_offline(const AdminOptions& options, const MessageFilter& filter, std::size_t limit) {
  Config config;
  config.data_dir = options.data_dir;
  metrics::Registry metrics;
  auto stores = Stores::open(config, metrics, {});
  if (!stores) return report(stores.error());
  if (const Status caught_up = (*stores)->catch_up({}); !caught_up) return report(caught_up.error());
  std::optional<Seq> before;
  while (limit > 0) {
    const auto page = (*stores)->operations().messages(filter, before, std::min<std::size_t>(limit, 1000));
    if (!page) return report(page.error());
    for (const IndexedMessage& row : page->rows) {
      std::string line;
      JsonWriter json(line);
      admin::write(json, row);
      std::printf("%s\n", line.c_str());
    }
    limit -= page->rows.size();
    if (!page->next || page->rows.empty()) break;
    before = page->next;
  }
  return kExitOk;
}

}  // namespace minato
