// For tests: registries in a derived database of the test's own, filled as the follower fills them.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/verify.h"
#include "record/registry_log.h"
#include "store/index/derived.h"
#include "store/journal/record.h"

namespace minato {

class TestRegistry {
 public:
  TestRegistry() {
    const char* const temporary = std::getenv("TMPDIR");
    directory_ = std::string(temporary == nullptr ? "/tmp" : temporary) + "/minato-registry-XXXXXX";
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    DerivedDatabase::Options options;
    options.path = directory_ + "/derived.db";
    options.projections = {PatientWriter::schema(), ProviderWriter::schema(), registry_log_schema()};
    options.journal_last = Seq{1'000'000};
    auto opened = DerivedDatabase::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error().what;
    derived_ = std::move(*opened);
  }
  ~TestRegistry() {
    reader_.reset();
    derived_.reset();
    for (const char* file : {"/derived.db", "/derived.db-wal", "/derived.db-shm"}) {
      std::remove((directory_ + file).c_str());
    }
    EXPECT_EQ(::rmdir(directory_.c_str()), 0);
  }
  TestRegistry(const TestRegistry&) = delete;
  TestRegistry& operator=(const TestRegistry&) = delete;

  void apply(const PatientEvent& event) {
    batch([&](Seq seq) { EXPECT_TRUE(PatientWriter(derived_->writer()).apply(event, seq)); });
  }
  void patient(const Identifier& id, const std::vector<PersonName>& names, const std::string& birth_date,
               const std::string& sex) {
    PatientEvent event = new_event("A28");
    event.identifiers = {id};
    event.demographics.names = names;
    event.demographics.birth_date = birth_date;
    event.demographics.sex = sex;
    apply(event);
  }
  PatientEvent new_event(const std::string& code) {
    PatientEvent event;
    event.code = code;
    event.happened = event.received = now_ += std::chrono::seconds(1);
    event.source = "test";
    return event;
  }
  void providers(const std::vector<Provider>& all) {
    record(RecordKind::kRegistryImport, R"({"what":"providers","mode":"merge","by":"test"})", provider_csv(all));
  }
  void refuse_notifications(const Identifier& id) {
    record(RecordKind::kRegistryChange,
           R"({"what":"patients","by":"test","change":{"op":"notifications","refused":true,"patient":{"domain":")" +
               id.domain + R"(","value":")" + id.value + R"("}}})",
           "");
  }

  // Registries over what has been applied so far; good until the next change.
  VerifyViews views(PatientMaster* master = nullptr) {
    if (!reader_) {
      auto reader = derived_->reader(std::chrono::steady_clock::now() + std::chrono::seconds(10));
      EXPECT_TRUE(reader);
      reader_ = std::make_unique<DerivedDatabase::Reader>(std::move(*reader));
      patients_ = std::make_unique<PatientRegistry>(reader_->database());
      provider_registry_ = std::make_unique<ProviderRegistry>(reader_->database());
    }
    return {*patients_, *provider_registry_, master};
  }

 private:
  template <typename Change>
  void batch(Change change) {
    reader_.reset();
    ASSERT_TRUE(derived_->begin());
    const Seq seq = next(derived_->position());
    change(seq);
    ASSERT_TRUE(derived_->commit(seq));
  }
  void record(RecordKind kind, const std::string& meta, const std::string& body) {
    batch([&](Seq seq) {
      const Entry entry{seq, {kind, now_ += std::chrono::seconds(1), meta, body}};
      EXPECT_TRUE(PatientWriter(derived_->writer()).apply(entry));
      EXPECT_TRUE(ProviderWriter(derived_->writer()).apply(entry));
      const auto log = read_registry_log(derived_->writer(), {}, 1);
      ASSERT_TRUE(log);
      ASSERT_EQ(log->size(), 1U);
      EXPECT_TRUE(log->front().applied) << log->front().detail;
    });
  }

  std::string directory_;
  std::unique_ptr<DerivedDatabase> derived_;
  std::unique_ptr<DerivedDatabase::Reader> reader_;
  std::unique_ptr<PatientRegistry> patients_;
  std::unique_ptr<ProviderRegistry> provider_registry_;
  Time now_ = *from_rfc3339("2026-11-24T00:00:00Z");
};

}  // namespace minato
