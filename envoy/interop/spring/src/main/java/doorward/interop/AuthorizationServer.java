package doorward.interop;

import java.util.List;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;

/** An authorization server as Spring Boot configures it, and the one bean that a team adds for an audience. */
@SpringBootApplication
public class AuthorizationServer {
    public static void main(String[] args) {
        SpringApplication.run(AuthorizationServer.class, args);
    }

    /**
     * Without this bean the aud of an access token is the client's id. Spring does not read the resource parameter of
     * RFC 8707, so the resource is a setting: {@code -Dmcp.audience=https://mcp.example.com/mcp}.
     */
    @Bean
    @ConditionalOnProperty("mcp.audience")
    OAuth2TokenCustomizer<JwtEncodingContext> audience(Environment environment) {
        List<String> audience = List.of(environment.getRequiredProperty("mcp.audience"));
        return context -> {
            if (OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())) {
                context.getClaims().audience(audience);
            }
        };
    }
}
