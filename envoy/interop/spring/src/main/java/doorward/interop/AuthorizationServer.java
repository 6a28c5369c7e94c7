package doorward.interop;

import java.util.List;
import java.util.Map;
import java.util.Set;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.authentication.OAuth2TokenExchangeAuthenticationToken;
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
            if (context.getAuthorizationGrant() instanceof OAuth2TokenExchangeAuthenticationToken exchange) {
                exchanged(context, exchange);
            } else if (OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())) {
                context.getClaims().audience(audience);
            }
        };
    }

    /** The aud of an exchanged token is the one API that it may be for, and act is the client (RFC 8693). */
    private static void exchanged(JwtEncodingContext context, OAuth2TokenExchangeAuthenticationToken exchange) {
        if (!exchange.getResources().equals(Set.of("https://api.example.com"))) {
            throw new OAuth2AuthenticationException("invalid_target");
        }
        context.getClaims().audience(List.copyOf(exchange.getResources()));
        context.getClaims().claim("act", Map.of("sub", context.getRegisteredClient().getClientId()));
    }
}
