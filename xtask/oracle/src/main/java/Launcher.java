import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.hl7.fhir.r5.context.IWorkerContext;
import org.hl7.fhir.r5.conformance.profile.ProfileUtilities;
import org.hl7.fhir.r5.elementmodel.Element;
import org.hl7.fhir.r5.elementmodel.Manager.FhirFormat;
import org.hl7.fhir.r5.model.CanonicalResource;
import org.hl7.fhir.r5.model.CanonicalType;
import org.hl7.fhir.r5.model.Resource;
import org.hl7.fhir.r5.model.StructureDefinition;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidatorResourceFetcher;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;
import org.hl7.fhir.utilities.http.ManagedWebAccess;
import org.hl7.fhir.utilities.http.ManagedWebAccess.WebAccessPolicy;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.validation.ValidationEngine;
import org.hl7.fhir.validation.instance.InstanceValidator;
import org.hl7.fhir.validation.instance.advisor.BasePolicyAdvisorForFullValidation;

/**
 * Keeps the reference validator warm: one request a line on standard input, one answer a line on standard output.
 *
 * <p>A request: {@code {"file": path, "profile": url or null, "packages": [id#version], "supporting": [path],
 * "examples": whether example addresses are allowed, true unless said}}, or with {@code "text"} (and {@code "format": "json" | "xml"}) instead of a file. An answer: {@code {"file", "issues":
 * [{"severity", "code", "message_id", "expression", "text"}], "cpu_ms"}}, or {@code {"file", "failed": reason}}.
 *
 * <p>Conditions: no network; references outside the file are not followed; contained resources are checked; best
 * practice is silent; example addresses are allowed; every address counts as resolvable but those of example.org and
 * of http://hl7.org/fhir/invalid.
 */
public final class Launcher {
  private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private final Map<String, ValidationEngine> engines = new LinkedHashMap<>();
  private final ValidationEngine base;

  private Launcher() throws Exception {
    ManagedWebAccess.setAccessPolicy(WebAccessPolicy.PROHIBITED);
    base = new ValidationEngine.ValidationEngineBuilder()
        .withVersion("4.0.1")
        .withNoTerminologyServer()
        .withCanRunWithoutTerminologyServer(true)
        .withThoVersion("7.0.1")
        .withExtensionsVersion("5.3.0-ballot-tc1")
        .fromSource("hl7.fhir.r4.core#4.0.1");
    base.prepare();
    engines.put("", base);
  }

  public static void main(String[] arguments) throws Exception {
    Locale.setDefault(Locale.ENGLISH);
    // The library prints as it pleases: answers alone go to the real standard output.
    PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    System.setOut(System.err);
    Launcher launcher = new Launcher();
    answers.println("{\"ready\":true}");
    answers.flush();
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      if (!line.isBlank()) {
        answers.println(GSON.toJson(launcher.answer(JsonParser.parseString(line).getAsJsonObject())));
        answers.flush();
      }
    }
  }

  private JsonObject answer(JsonObject request) {
    JsonObject answer = new JsonObject();
    answer.add("file", request.get("file"));
    if (request.has("id")) {
      answer.add("id", request.get("id"));
    }
    long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    List<ValidationMessage> messages = new ArrayList<>();
    try {
      judge(request, messages);
      answer.add("issues", issues(messages));
    } catch (Throwable fault) {
      answer.addProperty("failed", fault.getClass().getSimpleName() + ": " + fault.getMessage());
    }
    answer.addProperty("cpu_ms", (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before) / 1_000_000.0);
    return answer;
  }

  private void judge(JsonObject request, List<ValidationMessage> messages) throws Exception {
    ValidationEngine engine = engine(strings(request, "packages"));
    List<String> supporting = strings(request, "supporting");
    if (!supporting.isEmpty()) {
      engine = new ValidationEngine(engine);
      load(engine, supporting);
    }
    byte[] content;
    boolean xml;
    if (request.has("text") && !request.get("text").isJsonNull()) {
      content = request.get("text").getAsString().getBytes(StandardCharsets.UTF_8);
      xml = "xml".equals(request.get("format").getAsString());
    } else {
      String file = request.get("file").getAsString();
      content = Files.readAllBytes(Path.of(file));
      xml = file.endsWith(".xml");
    }
    FhirFormat format = xml ? FhirFormat.XML : FhirFormat.JSON;
    InstanceValidator validator = engine.getValidator(format);
    validator.setFetcher(new Offline());
    validator.setPolicyAdvisor(new BasePolicyAdvisorForFullValidation(ReferenceValidationPolicy.IGNORE, null));
    validator.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    validator.setAllowExamples(!request.has("examples") || request.get("examples").getAsBoolean());
    List<StructureDefinition> profiles = new ArrayList<>();
    if (request.has("profile") && !request.get("profile").isJsonNull()) {
      String url = request.get("profile").getAsString();
      StructureDefinition profile = engine.getContext().fetchResource(StructureDefinition.class, url);
      if (profile == null) {
        throw new IOException("the profile is not loaded: " + url);
      }
      profiles.add(profile);
    }
    validator.validate(null, messages, new ByteArrayInputStream(content), format, profiles);
  }

  private ValidationEngine engine(List<String> packages) throws Exception {
    String key = String.join(" ", packages);
    ValidationEngine known = engines.get(key);
    if (known == null) {
      known = new ValidationEngine(base);
      for (String each : packages) {
        new org.hl7.fhir.validation.IgLoader(known.getPcm(), known.getContext(), known.getVersion(), false)
            .loadIg(known.getIgs(), known.getBinaries(), each, false);
      }
      known.prepare();
      engines.put(key, known);
    }
    return known;
  }

  private static void load(ValidationEngine engine, List<String> supporting) throws Exception {
    List<StructureDefinition> structures = new ArrayList<>();
    org.hl7.fhir.validation.IgLoader loader =
        new org.hl7.fhir.validation.IgLoader(engine.getPcm(), engine.getContext(), engine.getVersion(), false);
    for (String file : supporting) {
      Resource resource = loader.loadResourceByVersion("4.0.1", Files.readAllBytes(Path.of(file)), file);
      engine.getContext().cacheResource(resource);
      if (resource instanceof StructureDefinition structure) {
        structures.add(structure);
      }
    }
    for (StructureDefinition structure : structures) {
      snapshot(engine, structure);
    }
  }

  private static void snapshot(ValidationEngine engine, StructureDefinition structure) {
    if (structure.hasSnapshot()) {
      return;
    }
    StructureDefinition parent =
        engine.getContext().fetchResource(StructureDefinition.class, structure.getBaseDefinition());
    if (parent != null) {
      snapshot(engine, parent);
      ProfileUtilities utilities = new ProfileUtilities(engine.getContext(), new ArrayList<>(), null);
      utilities.setAutoFixSliceNames(true);
      utilities.sortDifferential(parent, structure, structure.getUrl(), new ArrayList<>(), false);
      utilities.generateSnapshot(parent, structure, structure.getUrl(), "http://hl7.org/fhir", structure.getName());
    }
  }

  private static List<String> strings(JsonObject request, String name) {
    List<String> values = new ArrayList<>();
    if (request.has(name) && request.get(name).isJsonArray()) {
      for (JsonElement each : request.getAsJsonArray(name)) {
        values.add(each.getAsString());
      }
    }
    return values;
  }

  private static JsonArray issues(List<ValidationMessage> messages) {
    JsonArray issues = new JsonArray();
    for (ValidationMessage message : messages) {
      JsonObject issue = new JsonObject();
      issue.addProperty("severity", message.getLevel() == null ? null : message.getLevel().toCode());
      issue.addProperty("code", message.getType() == null ? null : message.getType().toCode());
      issue.addProperty("message_id", message.getMessageId());
      issue.addProperty("expression", message.getLocation());
      issue.addProperty("text", message.getMessage());
      issues.add(issue);
    }
    return issues;
  }

  /** Fetches nothing, and takes an address on trust unless it is meant to fail. */
  private static final class Offline implements IValidatorResourceFetcher {
    @Override
    public Element fetch(IResourceValidator validator, Object context, String url) {
      return null;
    }

    @Override
    public boolean resolveURL(
        IResourceValidator validator,
        Object context,
        String path,
        String url,
        IWorkerContext.VersionResolutionRules rules,
        String type,
        boolean canonical,
        List<CanonicalType> targets) {
      return !url.contains("example.org") && !url.startsWith("http://hl7.org/fhir/invalid");
    }

    @Override
    public byte[] fetchRaw(IResourceValidator validator, String url) throws IOException {
      throw new IOException("offline");
    }

    @Override
    public IValidatorResourceFetcher setLocale(Locale locale) {
      return this;
    }

    @Override
    public CanonicalResource fetchCanonicalResource(IResourceValidator validator, Object context, String url) {
      return null;
    }

    @Override
    public boolean fetchesCanonicalResource(IResourceValidator validator, String url) {
      return false;
    }

    @Override
    public Set<ResourceVersionInformation> fetchCanonicalResourceVersions(
        IResourceValidator validator, Object context, String url) {
      return Set.of();
    }
  }
}
