// Calls methods of Pulsar's Java admin client, each line of the input one, ["functions","getFunction","t","n","f"], and
// prints what comes back, a line of JSON each; at the end the methods that nobody called.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import org.apache.pulsar.client.admin.Functions;
import org.apache.pulsar.client.admin.Packages;
import org.apache.pulsar.client.admin.PulsarAdmin;
import org.apache.pulsar.client.admin.PulsarAdminException;
import org.apache.pulsar.client.admin.Sinks;
import org.apache.pulsar.client.admin.Sources;
import org.apache.pulsar.client.admin.Worker;
import org.apache.pulsar.common.functions.UpdateOptions;
import org.apache.pulsar.common.functions.UpdateOptionsImpl;
import org.apache.pulsar.common.util.ObjectMapperFactory;

public final class AdminCalls {
    private record Face(Class<?> type, Object client) {}

    private static final ObjectMapper ARGUMENTS = ObjectMapperFactory.create();
    private static final ObjectMapper ANSWERS = sorted(ObjectMapperFactory.create());

    private static ObjectMapper sorted(ObjectMapper mapper) {
        mapper.configure(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY, true);
        return mapper.configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true);
    }

    public static void main(String[] args) throws Exception {
        try (PulsarAdmin admin = PulsarAdmin.builder().serviceHttpUrl(args[0]).build()) {
            Map<String, Face> faces = new LinkedHashMap<>();
            faces.put("functions", new Face(Functions.class, admin.functions()));
            faces.put("sources", new Face(Sources.class, admin.sources()));
            faces.put("sinks", new Face(Sinks.class, admin.sinks()));
            faces.put("worker", new Face(Worker.class, admin.worker()));
            faces.put("packages", new Face(Packages.class, admin.packages()));
            TreeSet<String> uncalled = new TreeSet<>();
            faces.forEach((name, face) -> {
                for (Method method : face.type.getMethods()) {
                    if (!method.getName().endsWith("Async")) uncalled.add(title(name, method));
                }
            });
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                JsonNode call = ARGUMENTS.readTree(line);
                Face face = faces.get(call.get(0).asText());
                Method method = methodOf(face.type, call.get(1).asText(), call.size() - 2);
                uncalled.remove(title(call.get(0).asText(), method));
                System.out.println(ARGUMENTS.writeValueAsString(call(face, method, call)));
            }
            System.out.println(ARGUMENTS.writeValueAsString(uncalled));
        }
        System.exit(0);
    }

    private static String title(String face, Method method) {
        return face + "." + method.getName() + "/" + method.getParameterCount();
    }

    private static Method methodOf(Class<?> type, String name, int parameters) {
        for (Method method : type.getMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == parameters) return method;
        }
        throw new IllegalArgumentException("no method " + name + " with " + parameters + " parameters");
    }

    private static String call(Face face, Method method, JsonNode call) throws Exception {
        Object[] arguments = new Object[method.getParameterCount()];
        for (int i = 0; i < arguments.length; ++i) {
            Class<?> type = method.getParameterTypes()[i];
            JsonNode given = call.get(i + 2);
            if (type == UpdateOptions.class) type = UpdateOptionsImpl.class;
            arguments[i] = given.isNull() ? null : ARGUMENTS.treeToValue(given, type);
        }
        try {
            Object answer = method.invoke(face.client, arguments);
            return method.getReturnType() == void.class ? "done" : ANSWERS.writeValueAsString(answer);
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof PulsarAdminException refused) {
                return refused.getClass().getSimpleName() + " " + refused.getStatusCode() + " " + refused.getHttpError();
            }
            throw thrown;
        }
    }
}
