/** How the race is run. */
import type { Settings } from '../state/settings.ts';
import { NumberField } from './number-field.tsx';
import { Segmented } from './segmented.tsx';

interface Props {
  readonly settings: Settings;
  readonly disabled: boolean;
  readonly onChange: (settings: Settings) => void;
}

/** Any other text that the server reads may be typed. */
const suggestedPolicies = ['plain', 'anchor:header', 'anchor:200', 'anchor:200+head:8'];

export function SettingsPanel({ settings, disabled, onChange }: Props) {
  const set = (change: Partial<Settings>) => onChange({ ...settings, ...change });
  return (
    <details class="settings">
      <summary>Settings</summary>
      <div class="settings-grid">
        <Segmented
          legend="Attention"
          name="lanes"
          value={settings.lanes}
          options={[
            { value: 'both', label: 'Race both' },
            { value: 'block', label: 'Block' },
            { value: 'full', label: 'Full' },
          ]}
          onChange={(lanes) => set({ lanes })}
          disabled={disabled}
        />
        <Segmented
          legend="Start"
          name="together"
          value={settings.together ? 'together' : 'apart'}
          options={[
            { value: 'apart', label: 'One after the other' },
            { value: 'together', label: 'Together' },
          ]}
          onChange={(value) => set({ together: value === 'together' })}
          disabled={disabled || settings.lanes !== 'both'}
        />
        <label class="field">
          <span>Context policy of block mode</span>
          <input
            list="policies"
            value={settings.policy}
            placeholder="the server’s own"
            disabled={disabled}
            onInput={(event) => set({ policy: event.currentTarget.value })}
          />
          <datalist id="policies">
            {suggestedPolicies.map((policy) => (
              <option key={policy} value={policy} />
            ))}
          </datalist>
        </label>
        <NumberField
          label="Longest answer, in tokens"
          value={settings.maxTokens}
          min={1}
          max={512}
          disabled={disabled}
          onChange={(maxTokens) => set({ maxTokens })}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={settings.encodeFirst}
            disabled={disabled}
            onChange={(event) => set({ encodeFirst: event.currentTarget.checked })}
          />
          <span>Encode passages before the clock starts</span>
        </label>
      </div>
      <p class="quiet small">
        One after the other, each has the machine to itself. Together they share it: both are slower, and block
        attention’s answer waits while full attention reads. Neither may reuse what an earlier question left: only
        passages are kept.
      </p>
    </details>
  );
}
