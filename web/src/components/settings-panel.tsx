/** How the race is run. */
import type { Settings } from '../state/settings.ts';
import { NumberField } from './number-field.tsx';
import { Segmented } from './segmented.tsx';

interface Props {
  readonly settings: Settings;
  readonly disabled: boolean;
  readonly onChange: (settings: Settings) => void;
}

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
        <Segmented
          legend="Repair of block mode"
          name="repair"
          value={settings.repair}
          options={[
            { value: 'none', label: 'None' },
            { value: 'head', label: 'Passage heads' },
            { value: 'deviation', label: 'Most deviating' },
          ]}
          onChange={(repair) => set({ repair })}
          disabled={disabled}
        />
        {settings.repair === 'head' && (
          <NumberField
            label="Tokens of each head"
            value={settings.headTokens}
            min={1}
            max={512}
            disabled={disabled}
            onChange={(headTokens) => set({ headTokens })}
          />
        )}
        {settings.repair === 'deviation' && (
          <NumberField
            label="Percent of the context"
            value={settings.deviationPercent}
            min={1}
            max={100}
            disabled={disabled}
            onChange={(deviationPercent) => set({ deviationPercent })}
          />
        )}
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
